// Computes one channel with the kernels of edge/gpu/sst.cu: sst_on_threads FOLDER SHARED_BYTES, whose files
// segment, taper, band and gain have what the kernels are launched with. Writes values.
#include "cuda_on_threads.hpp"

#include <fstream>
#include <iterator>
#include <string>

#include "sst.cu"

int main(int, char **arguments)
{
    const std::string folder = arguments[1];
    const auto read = [&](const char *name) {
        std::ifstream file(folder + "/" + name, std::ios::binary);
        return std::vector<char>(std::istreambuf_iterator<char>(file), {});
    };
    const auto segment = read("segment"), taper = read("taper"), band = read("band"), gain = read("gain");
    std::vector<float2> spectrum(HALF), workspace(BINS * FRAMES);
    std::vector<float> peak(1), values(CELLS), scale(1);
    launch([&] { sst_spectrum((const float *)segment.data(), (const float *)taper.data(), spectrum.data(), peak.data()); },
           SPECTRUM_THREADS, 0);
    launch([&] {
        sst_squeeze(spectrum.data(), peak.data(), (const int *)band.data(), (const float *)gain.data(), values.data(),
                    scale.data(), workspace.data());
    }, SQUEEZE_THREADS, std::stoul(arguments[2]));
    std::ofstream(folder + "/values", std::ios::binary).write((const char *)values.data(), 4 * CELLS);
}
