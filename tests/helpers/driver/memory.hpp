// Device and pinned memory of the stand-in driver. A block ends where a page begins that nobody may touch, so a kernel
// that leaves its buffer is stopped by the processor; so is one that uses freed memory, whose pages are never reused.
#pragma once

#include <csetjmp>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <functional>
#include <map>
#include <memory>

#include <sys/mman.h>
#include <unistd.h>

// Address space that becomes inaccessible for good when its last user is gone.
struct Pages {
    void *begin;
    size_t bytes;
    Pages(void *begin, size_t bytes) : begin(begin), bytes(bytes) {}
    Pages(const Pages &) = delete;
    ~Pages()
    {
        madvise(begin, bytes, MADV_DONTNEED);
        mprotect(begin, bytes, PROT_NONE);
    }
};

struct Block {
    size_t bytes;
    std::shared_ptr<Pages> pages;
    const void *owner;  // its context
};

class Memory {
public:
    // Returns null if there is not enough; the content is NaN, whatever the type.
    void *allocate(size_t bytes, const void *owner)
    {
        constexpr size_t ALIGNMENT = 8;
        const size_t page = sysconf(_SC_PAGESIZE), padded = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
        const size_t inner = (padded + page - 1) / page * page, outer = inner + 2 * page;
        char *pages = (char *)mmap(nullptr, outer, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (pages == MAP_FAILED || mprotect(pages + page, inner, PROT_READ | PROT_WRITE)) return nullptr;
        char *begin = pages + page + inner - padded;
        memset(begin, 0xff, padded);
        blocks[(uintptr_t)begin] = {bytes, std::make_shared<Pages>(pages, outer), owner};
        return begin;
    }

    // Removes a block and returns its pages, which work under way may need a while longer; null if it is no block.
    std::shared_ptr<Pages> release(const void *begin)
    {
        const auto found = blocks.find((uintptr_t)begin);
        if (found == blocks.end()) return nullptr;
        const auto pages = found->second.pages;
        blocks.erase(found);
        return pages;
    }

    void release_all_of(const void *owner)
    {
        for (auto next = blocks.begin(); next != blocks.end();) {
            const auto block = next++;
            if (block->second.owner == owner) blocks.erase(block);
        }
    }

    bool contains(const void *begin, size_t bytes) const
    {
        auto block = blocks.upper_bound((uintptr_t)begin);
        if (block == blocks.begin()) return false;
        --block;
        return (uintptr_t)begin + bytes <= block->first + block->second.bytes;
    }

    size_t count() const { return blocks.size(); }

    size_t total_bytes() const
    {
        size_t sum = 0;
        for (const auto &block : blocks) sum += block.second.bytes;
        return sum;
    }

private:
    std::map<uintptr_t, Block> blocks;
};

static thread_local sigjmp_buf fault_return;
static thread_local volatile bool is_guarded;
static struct sigaction fault_handler_before;

static void on_fault(int signal, siginfo_t *, void *)
{
    if (is_guarded) siglongjmp(fault_return, 1);
    sigaction(signal, &fault_handler_before, nullptr);  // not the device's: the instruction faults again
}

// Runs `work` and returns whether it stayed inside the memory that it may use.
static bool run_guarded(const std::function<void()> &work)
{
    static const int installed = [] {
        struct sigaction action = {};
        action.sa_sigaction = on_fault;
        action.sa_flags = SA_SIGINFO | SA_NODEFER;
        return sigaction(SIGSEGV, &action, &fault_handler_before);
    }();
    (void)installed;
    if (sigsetjmp(fault_return, 1)) {
        is_guarded = false;
        return false;
    }
    is_guarded = true;
    work();
    is_guarded = false;
    return true;
}
