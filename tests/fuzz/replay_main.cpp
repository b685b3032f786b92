// Plays the files of the folders named to a fuzz target: the corpus and what was found before.
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "tests/fuzz/check.hpp"

int main(int argc, char** argv) {
    std::size_t played = 0;
    for (int i = 1; i < argc; ++i) {
        for (const auto& entry : std::filesystem::directory_iterator{argv[i]}) {
            std::ifstream file{entry.path(), std::ios::binary};
            const std::string bytes{std::istreambuf_iterator<char>{file}, {}};
            std::fprintf(stderr, "%s\n", entry.path().filename().c_str());
            LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(bytes.data()),
                                   bytes.size());
            ++played;
        }
    }
    fuzz::require(played > 0, "there is a corpus to play");
    std::printf("%zu inputs\n", played);
}
