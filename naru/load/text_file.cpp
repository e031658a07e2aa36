#include <naru/load/text_file.hpp>

#include <array>
#include <cerrno>
#include <cstdio>
#include <memory>

namespace naru::load {

// Not by a stream: its buffer throws when a read fails, and an iterator over it does not catch that.
result<std::string> read_file(const std::string& path) {
    struct closer {
        void operator()(std::FILE* file) const noexcept { std::fclose(file); }
    };
    const std::unique_ptr<std::FILE, closer> file(std::fopen(path.c_str(), "rb"));
    if (file == nullptr) return fail_errno(errno);
    std::string all;
    std::array<char, 16 * 1024> chunk;
    while (const std::size_t read = std::fread(chunk.data(), 1, chunk.size(), file.get()))
        all.append(chunk.data(), read);
    if (std::ferror(file.get()) != 0) return fail_errno(errno);
    return all;
}

}  // namespace naru::load
