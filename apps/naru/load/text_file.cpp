#include <load/text_file.hpp>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <system_error>

namespace naru::load {

namespace {

namespace files = std::filesystem;

struct destination {
    files::path file;
    bool replaced = true;  // or written to as it is
    bool exists = false;
};

result<destination> find_destination(const std::string& path) {
    std::error_code error;
    destination found{path};
    const files::file_status status = files::status(path, error);
    found.exists = files::exists(status);
    if (error && status.type() != files::file_type::not_found)
        return fail_errno(error.default_error_condition().value());
    if (!found.exists) return found;
    if (files::is_directory(status)) return fail_errno(EISDIR);
    found.replaced = files::is_regular_file(status);
    if (!found.replaced) return found;
    found.file = files::canonical(path, error);  // a link goes on leading to it
    if (error) return fail_errno(error.default_error_condition().value());
    return found;
}

// Beside the file, because a rename does not leave a file system; of our own, because another run may write
// the same file.
std::string unfinished_name(const destination& of) {
    return of.file.string() + "." +
           std::to_string(std::chrono::steady_clock::now().time_since_epoch().count()) + ".new";
}

result<void> write_all(const std::string& path, const char* mode, std::string_view text) {
    std::FILE* const file = std::fopen(path.c_str(), mode);
    if (file == nullptr) return fail_errno(errno);
    const bool written =
        std::fwrite(text.data(), 1, text.size(), file) == text.size() && std::fflush(file) == 0;
    const int error = errno;
    if (std::fclose(file) != 0 && written) return fail_errno(errno);
    if (!written) return fail_errno(error);
    return {};
}

}  // namespace

result<void> write_result_file(const std::string& path, std::string_view text) {
    const auto to = find_destination(path);
    if (!to) return fail(to.error());
    if (!to->replaced) return write_all(path, "wb", text);
    const std::string unfinished = unfinished_name(*to);
    std::error_code error;
    auto done = write_all(unfinished, "wb", text);
    if (done && to->exists)
        files::permissions(unfinished, files::status(to->file, error).permissions(), error);
    if (done) {
        files::rename(unfinished, to->file, error);
        if (error) done = fail_errno(error.default_error_condition().value());
    }
    if (!done) files::remove(unfinished, error);
    return done;
}

result<void> try_result_file(const std::string& path) {
    const auto to = find_destination(path);
    if (!to) return fail(to.error());
    if (!to->replaced) return {};
    if (to->exists) {
        if (const auto opened = write_all(path, "ab", {}); !opened) return opened;
    }
    const std::string unfinished = unfinished_name(*to);
    const auto made = write_all(unfinished, "wb", {});
    std::error_code ignored;
    files::remove(unfinished, ignored);
    return made;
}

// Not by a stream: its buffer throws when a read fails, and an iterator over it does not catch that.
result<std::string> read_file(const std::string& path, std::size_t most) {
    struct closer {
        void operator()(std::FILE* file) const noexcept { std::fclose(file); }
    };
    const std::unique_ptr<std::FILE, closer> file(std::fopen(path.c_str(), "rb"));
    if (file == nullptr) return fail_errno(errno);
    std::string all;
    std::array<char, 16 * 1024> chunk;
    while (const std::size_t read = std::fread(chunk.data(), 1, chunk.size(), file.get())) {
        if (read > most - all.size()) return fail_errno(EFBIG);
        all.append(chunk.data(), read);
    }
    if (std::ferror(file.get()) != 0) return fail_errno(errno);
    return all;
}

}  // namespace naru::load
