// What a path leads to: a file in one or more codings, with the answers to plain requests already written.
#pragma once

#include <naru/fs/files.hpp>
#include <naru/http/handlers/files.hpp>
#include <naru/http/message/conditions.hpp>

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

namespace naru::http {

/// One coding of a file.
struct representation {
    file_status status;
    std::string etag;
    std::string content;     ///< the whole of it, if it is at most limits::cached_file_bytes
    unique_descriptor file;  ///< otherwise
    std::string ready;       ///< the head of a 200 answer to a keep-alive GET, and a small content behind it
    std::uint32_t head_size = 0;      ///< of `ready`
    std::uint32_t date_offset = 0;    ///< of the Date in `ready`
    mutable std::int64_t dated = -1;  ///< the second that Date shows
    /// Whether the content is surely that of `status`: the file had been left alone for longer than its times
    /// are coarse when it was read, so that a later write shows in them.
    bool settled = true;
    bool made = false;  ///< encoded here: see encode_document

    bool ready_has_content() const noexcept { return ready.size() > head_size || status.size == 0; }
    /// Nothing where no time is kept of files: package stores and images set one for all, 0 or 1.
    std::optional<std::int64_t> last_modified() const noexcept {
        const std::int64_t seconds = status.modified.seconds;
        return seconds == 0 || seconds == 1 ? std::nullopt : std::optional(seconds);
    }
    validators validate_by() const noexcept { return {etag, last_modified()}; }
};

struct document {
    enum class kind : std::uint8_t {
        file,
        directory,  ///< asked for without its slash
        unlisted,   ///< a directory without an index
        listing,    ///< such a one; `text` is the page, `codings` has nothing but its content in those
    };
    kind is = kind::file;
    bool varies = false;  ///< there is a choice of codings
    std::string_view content_type;
    std::string text;
    std::array<std::unique_ptr<representation>, coding_count> codings;

    const representation& in(coding which) const noexcept {
        return *codings[static_cast<std::size_t>(which)];
    }
    std::array<bool, coding_count> available() const noexcept;
    std::size_t bytes_in_memory() const noexcept;
    unsigned descriptors() const noexcept;
};

/// The field that says so, for a coding that is not identity: "br".
std::string_view name_of(coding which) noexcept;

/// Writes `ready`. `varies`: there is a choice of codings.
void prepare(representation& of, coding which, std::string_view content_type, bool varies);

/// Reads what `path` (decoded, relative; see decode_path) leads to. EAGAIN: it would block, and may_block is
/// no. ENOENT and EXDEV: nothing there, or not beneath the root. EACCES: not readable, or neither a file nor
/// a directory. The tag of a file up to options.hash_up_to bytes is made of its content, so that it is the
/// same wherever and whenever it is read; that of a larger one of its size and the time of its modification.
/// Any thread.
result<std::unique_ptr<document>> load_document(const directory_root& root, const std::string& path,
                                                const files_options& options,
                                                directory_root::blocking may_block);

/// The page of the directory at `path` (empty, or with a slash at its end). EACCES if it may not be read. Any
/// thread. Blocks.
result<std::unique_ptr<document>> list_directory(const directory_root& root, const std::string& path,
                                                 bool with_dotfiles);

/// EMFILE, ENFILE, ENOMEM: of the process or the system, and not of a file.
bool is_shortage(const std::error_code& error) noexcept;

/// Whether a file that was loaded from `path` is still what is there. EAGAIN as above; in a shortage of
/// descriptors or memory it cannot be told (is_shortage). Any thread.
result<bool> is_current(const directory_root& root, const std::string& path, const document& loaded,
                        directory_root::blocking may_block);

}  // namespace naru::http
