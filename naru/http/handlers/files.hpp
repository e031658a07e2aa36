// Files beneath a directory, as a handler.
#pragma once

#include <naru/core/chrono.hpp>
#include <naru/fs/files.hpp>

#include <memory>
#include <string>

namespace naru::http {

struct files_options {
    bool listings = false;  ///< pages that show directories without an index
    bool dotfiles =
        false;  ///< serve and list names that begin with a dot; else `.well-known` at the top alone
    std::chrono::milliseconds disk_time{10'000};  ///< for a look at the disk; then 503
};

/// What a `files` serves: shared by the loops, each of which has a cache of its own.
struct files_source {
    std::shared_ptr<const directory_root> root;
    files_options options;
};

/// A handler for site::mount: GET, HEAD and OPTIONS of what lies beneath a directory, with index.html,
/// conditions, ranges, and files compressed beforehand.
class files {
 public:
    /// Opens the directory. Throws std::runtime_error with a sentence that says what is wrong.
    explicit files(const std::string& directory, files_options options = {});

    const std::shared_ptr<const files_source>& source() const noexcept { return source_; }

 private:
    std::shared_ptr<const files_source> source_;
};

}  // namespace naru::http
