// What a driver reads in a cubin, an ELF file: its GPU architecture and, for each kernel, its parameters and limits.
#pragma once

#include <elf.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <map>
#include <string>

struct KernelInfo {
    size_t parameter_bytes = 0, static_shared_bytes = 0;
    unsigned max_threads = 1024;
};

struct Cubin {
    size_t bytes = 0;  // of the file
    int capability = 0;  // 87 for sm_87; 0 if this is no cubin
    int toolkit_major = 12;  // the oldest driver that reads its format
    std::map<std::string, KernelInfo> kernels;
};

// Attributes of a section .nv.info.KERNEL: format and number in a byte each, then a 16-bit value, or, in format 4, the
// size of the value that follows.
static void read_attributes(const char *from, const char *end, KernelInfo &kernel)
{
    enum { WITH_SIZE = 4, MAX_THREADS = 0x05, PARAMETER_BYTES = 0x19 };
    while (from + 4 <= end) {
        uint16_t value;
        memcpy(&value, from + 2, 2);
        const uint8_t format = from[0], number = from[1];
        if (number == PARAMETER_BYTES) kernel.parameter_bytes = value;
        if (number == MAX_THREADS) memcpy(&kernel.max_threads, from + 4, 4);
        from += 4 + (format == WITH_SIZE ? value : 0);
    }
}

static Cubin read_cubin(const void *image)
{
    Cubin cubin;
    const char *base = (const char *)image;
    Elf64_Ehdr header;
    memcpy(&header, base, sizeof header);
    constexpr uint16_t CUDA_MACHINE = 190;
    if (memcmp(header.e_ident, ELFMAG, SELFMAG) || header.e_machine != CUDA_MACHINE) return cubin;
    constexpr size_t SYSTEM_BYTES = 1024;  // of each block, counted from Blackwell on; a kernel's limit is without them
    const bool is_cuda13 = header.e_ident[EI_ABIVERSION] >= 8;
    if (is_cuda13) cubin.toolkit_major = 13;
    cubin.capability = header.e_flags >> (is_cuda13 ? 8 : 0) & 0xff;
    const auto *sections = (const Elf64_Shdr *)(base + header.e_shoff);
    const char *names = base + sections[header.e_shstrndx].sh_offset;
    cubin.bytes = std::max(header.e_shoff + header.e_shnum * sizeof *sections,
                           header.e_phoff + header.e_phnum * sizeof(Elf64_Phdr));
    const auto tail = [](const std::string &name, const char *prefix) {
        return name.rfind(prefix, 0) == 0 ? name.substr(strlen(prefix)) : std::string();
    };
    for (int k = 0; k < header.e_shnum; k++) {
        const Elf64_Shdr &section = sections[k];
        const std::string name = names + section.sh_name;
        if (section.sh_type != SHT_NOBITS) cubin.bytes = std::max(cubin.bytes, section.sh_offset + section.sh_size);
        if (const auto kernel = tail(name, ".text."); !kernel.empty()) cubin.kernels[kernel];
        if (const auto kernel = tail(name, ".nv.shared."); !kernel.empty() && kernel.rfind("reserved", 0))
            cubin.kernels[kernel].static_shared_bytes = section.sh_size - (cubin.capability >= 100 ? SYSTEM_BYTES : 0);
        if (const auto kernel = tail(name, ".nv.info."); !kernel.empty()) {
            const char *begin = base + section.sh_offset;
            read_attributes(begin, begin + section.sh_size, cubin.kernels[kernel]);
        }
    }
    return cubin;
}

// FNV-1a, 64 bits: names the file with the kernels that were built for the CPU from the source of this cubin.
static std::string fingerprint(const void *image, size_t bytes)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t k = 0; k < bytes; k++) hash = (hash ^ ((const uint8_t *)image)[k]) * 0x100000001b3u;
    char text[17];
    snprintf(text, sizeof text, "%016lx", (unsigned long)hash);
    return text;
}
