// Files: from a path to an answer. Plain requests for files in the cache are one copy; everything else is put
// together here.
#include <naru/http/limits.hpp>
#include <naru/http/link/head_writer.hpp>
#include <naru/http/message/path.hpp>
#include <naru/http/server/served_site.hpp>
#include <naru/http/server/worker.hpp>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include <fmt/format.h>

namespace naru::http {

namespace {

constexpr std::string_view allowed = "Allow: GET, HEAD, OPTIONS\r\n";
constexpr std::string_view no_such_file = "There is no such file here.";

// Requests that a prepared answer does not fit.
constexpr std::uint16_t conditional =
    request_head::bit(field::range) | request_head::bit(field::if_range) |
    request_head::bit(field::if_match) | request_head::bit(field::if_none_match) |
    request_head::bit(field::if_modified_since) | request_head::bit(field::if_unmodified_since);

// Of a decoded path: what is before the part beneath the mount, with the slash behind it.
std::size_t prefix_of(const route& mounted) noexcept {
    const std::string_view pattern = mounted.pattern;
    return pattern.size() <= 1 ? 0 : pattern.size() - (pattern.ends_with('/') ? 1 : 0);
}

void add_description(head_writer& head, const document& from, const representation& what, coding in) {
    if (const auto seconds = what.last_modified()) {
        const auto modified = format_last_modified(*seconds);
        head.add("Last-Modified: {}\r\n", std::string_view(modified.data(), modified.size()));
    }
    head.add("ETag: {}\r\n", what.etag);
    if (from.varies) head.add("Vary: Accept-Encoding\r\n");
    if (in != coding::identity) head.add("Content-Encoding: {}\r\n", name_of(in));
}

std::string encode_path(std::string_view decoded) {
    std::string encoded;
    while (!decoded.empty()) {
        const std::size_t slash = decoded.find('/');
        encoded += '/';
        encoded += encode_segment(decoded.substr(0, slash));
        decoded = slash == std::string_view::npos ? std::string_view() : decoded.substr(slash + 1);
    }
    return encoded;
}

}  // namespace

turn::disk_step::disk_step(turn& of) noexcept
    : disk_waiter([](disk_waiter& self, const disk_answer& found) noexcept {
          static_cast<disk_step&>(self).owner.owner.on_disk_answer(found);
      }),
      owner(of) {}

// The request's path is beneath the mount; its method is judged here.
connection::next_step connection::handle_mount(const route& mounted, file_service& files) noexcept {
    const request_head& request = turn_->parser.head();
    turn_->files = &files;
    turn_->mounted = &mounted;
    switch (request.method) {
        case method::get:
        case method::head:
            return handle_file();
        case method::options:
            return answer_allowed(allowed);
        case method::other:
            return answer_status(501, "This method is not known here.");
        default:
            return answer_status(405, "This method is not allowed here.", allowed);
    }
}

connection::next_step connection::handle_file() noexcept {
    const request_head& request = turn_->parser.head();
    std::array<char, limits::request_line_bytes> scratch;
    auto decoded = decoded_path(request, turn_->head, scratch);
    if (!decoded) return answer_status(400, "The path is malformed.");
    const std::size_t prefix = prefix_of(*turn_->mounted);
    if (prefix > decoded->size()) return answer_redirect({});  // the prefix itself, without its slash
    decoded->remove_prefix(prefix);
    file_service& files = *turn_->files;
    if (!request.plain_path && !files.source->options.dotfiles && has_dotfile(*decoded))
        return answer_status(404, no_such_file);
    const std::string& fallback = files.source->options.fallback;
    disk_answer found = files.looks.find(turn_->falls_back ? fallback : *decoded, turn_->waiting);
    if (falls_back_from(found)) found = files.looks.find(fallback, turn_->waiting);
    if (found.is == disk_answer::kind::waits) {
        wait_for_disk();
        return next_step::wait;
    }
    const next_step then = answer_found(found);
    if (found.document != nullptr) files.cache.let_go(*found.document);
    return then;
}

// True, once, where nothing is and something stands in for that.
bool connection::falls_back_from(const disk_answer& found) noexcept {
    const bool is_nothing = found.is == disk_answer::kind::failed &&
                            (found.error.value() == ENOENT || found.error.value() == ENOTDIR);
    if (!is_nothing || turn_->falls_back || turn_->files->source->options.fallback.empty()) return false;
    turn_->falls_back = true;
    return true;
}

// No buffer is held meanwhile, unless there is something in it: answers to what came before, or what is to
// come after.
void connection::wait_for_disk() noexcept {
    turn_->speaks = nullptr;
    phase_ = phase::handling;
    if (turn_->filled == 0) release_output();
    park_input();
    const instant until = turn_->files->looks.patience_of(turn_->waiting);
    if (until == never) return worker_.loop_.disarm(*this);
    worker_.loop_.arm(*this, until);
}

// It has taken too long: what is known is the answer, or that the disk hangs.
void connection::leave_disk() noexcept {
    turn_->files->looks.leave(turn_->waiting);
    disk_answer once_more;
    once_more.is = disk_answer::kind::again;
    on_disk_answer(once_more);
}

void connection::on_disk_answer(const disk_answer& found) noexcept {
    if (!output_room(head_room())) return await_output(turn::step::disk);
    const bool once_more = found.is == disk_answer::kind::again || falls_back_from(found);
    go_on(once_more ? handle_file() : answer_found(found));
}

inline connection::next_step connection::answer_found(const disk_answer& found) noexcept {
    const bool is_cached_file = found.document != nullptr && found.document->in_cache &&
                                found.document->content->is == document::kind::file;
    return is_cached_file ? answer_file(*found.document) : answer_other(found);
}

// What is not a file in the cache.
connection::next_step connection::answer_other(const disk_answer& found) noexcept {
    if (found.is == disk_answer::kind::failed) return failed(found.error);
    if (found.document->content->is == document::kind::directory)
        return answer_redirect(found.document->path);
    if (!found.document->in_cache && !worker_.has_room_for(*found.document->content)) {
        worker_.count_shed(shed_reason::no_loose);
        return answer_status(503, "Too much is being sent to slow readers for the moment.",
                             "Retry-After: 1\r\n");
    }
    if (found.document->content->is == document::kind::file) return answer_file(*found.document);
    return answer_listing(*found.document);
}

connection::next_step connection::answer_listing(cached_document& from) noexcept {
    const document& what = *from.content;
    const request_head& request = turn_->parser.head();
    coding in = coding::identity;
    if (what.varies && request.has(field::accept_encoding))
        in = choose_coding(request, turn_->head, what.available());
    const std::string_view page = in == coding::identity ? what.text : what.in(in).content;
    head_writer head(200, worker_.date());
    head.add("Content-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\nCache-Control: no-cache\r\n",
             page.size());
    if (what.varies) head.add("Vary: Accept-Encoding\r\n");
    if (in != coding::identity) head.add("Content-Encoding: {}\r\n", name_of(in));
    head.end(keep_alive_, request.minor_version);
    const bool only_head = request.method == method::head;
    log(200, only_head ? 0 : page.size());
    append_head(head.text());
    if (only_head) return next_step::go_on;
    add_piece(page);
    hold(from);
    return next_step::flush;
}

inline connection::next_step connection::answer_file(cached_document& from) noexcept {
    const document& file = *from.content;
    const request_head& request = turn_->parser.head();
    const std::string_view text = turn_->head;
    coding in = coding::identity;
    if (file.varies && request.has(field::accept_encoding)) {
        in = choose_coding(request, text, file.available());
    }
    const representation& what = file.in(in);
    const bool plain = (request.present & conditional) == 0;
    if (plain && keep_alive_ && request.method == method::get && request.minor_version > 0 && !is_dressed())
        return answer_ready(from, what);
    return answer_made(from, what, in);
}

// With a head of its own.
connection::next_step connection::answer_made(cached_document& from, const representation& what,
                                              coding in) noexcept {
    const document& file = *from.content;
    const request_head& request = turn_->parser.head();
    const std::string_view text = turn_->head;
    unsigned status = 200;
    range_list ranges;
    if ((request.present & conditional) != 0) {
        const std::int64_t now = worker_.unix_seconds();
        switch (evaluate(request, text, what.validate_by(), now)) {
            case precondition::failed:
                return answer_status(412, "The file is not the one that was asked for.");
            case precondition::not_modified:
                status = 304;
                break;
            case precondition::met:
                switch (select_ranges(request, text, what.validate_by(), what.status.size, now, ranges)) {
                    case range_outcome::whole:
                        break;
                    case range_outcome::partial:
                        status = 206;
                        break;
                    case range_outcome::unsatisfiable:
                        return answer_unsatisfiable(what.status.size);
                }
                break;
        }
    }
    if (status == 206 && ranges.count > 1) return answer_ranges(from, what, in, ranges.view());

    byte_range sent;
    sent.last = what.status.size - 1;  // of an empty file: size() is 0
    head_writer head(status, worker_.date());
    if (status == 206) {
        sent = ranges.ranges[0];
        head.add("Content-Range: bytes {}-{}/{}\r\n", sent.first, sent.last, what.status.size);
    }
    if (status != 304) {
        head.add("Content-Type: {}\r\nContent-Length: {}\r\nAccept-Ranges: bytes\r\n", file.content_type,
                 sent.size());
    }
    add_description(head, file, what, in);
    head.end(keep_alive_, request.minor_version);
    const bool has_body = status != 304 && request.method == method::get;
    log(status, has_body ? sent.size() : 0);
    append_head(head.text());
    if (has_body) append_representation(from, what, sent.first, sent.size());
    return turn_->piece_count == 0 ? next_step::go_on : next_step::flush;
}

connection::next_step connection::answer_unsatisfiable(std::uint64_t size) noexcept {
    std::array<char, 64> line;
    text_cursor cursor(line.data());
    cursor.put("Content-Range: bytes */");
    cursor.put(size);
    cursor.put("\r\n");
    return answer_status(416, "The file has no such part.",
                         {line.data(), static_cast<std::size_t>(cursor.get() - line.data())});
}

// The hot path: a head prepared when the file was read, and the content behind it.
inline connection::next_step connection::answer_ready(cached_document& from,
                                                      const representation& what) noexcept {
    log(200, what.status.size);
    const bool whole =
        !is_stream_ && what.ready_has_content() && turn_->filled + what.ready.size() <= limits::output_bytes;
    append_ready(what, whole ? what.ready.size() : what.head_size);
    if (whole) return next_step::go_on;
    append_representation(from, what, 0, what.status.size);
    return turn_->piece_count == 0 ? next_step::go_on : next_step::flush;
}

/// The first `bytes` of a prepared answer, with today's date.
inline void connection::append_ready(const representation& what, std::size_t bytes) noexcept {
    const std::string_view date = worker_.date();
    if (what.dated != worker_.second_) [[unlikely]] {
        std::memcpy(const_cast<char*>(what.ready.data()) + what.date_offset, date.data(), date.size());
        what.dated = worker_.second_;
    }
    append(std::string_view(what.ready.data(), bytes));
}

// multipart/byteranges (RFC 9110, section 14.6).
connection::next_step connection::answer_ranges(cached_document& from, const representation& what, coding in,
                                                std::span<const byte_range> ranges) noexcept {
    const std::uint32_t filled = turn_->filled;
    try {
        return answer_parts(from, what, in, ranges);
    } catch (const std::bad_alloc&) {
        return out_of_memory(filled);
    }
}

connection::next_step connection::answer_parts(cached_document& from, const representation& what, coding in,
                                               std::span<const byte_range> ranges) {
    turn& x = *turn_;
    const std::string boundary =
        fmt::format("naru-{:016x}", what.status.inode * 0x9e3779b97f4a7c15u ^
                                        static_cast<std::uint64_t>(what.status.modified.seconds));
    // All part heads in one text, so that it is complete before pieces point into it.
    std::array<std::size_t, limits::ranges + 1> ends{};
    std::uint64_t length = 0;
    for (std::size_t index = 0; index < ranges.size(); ++index) {
        x.text += fmt::format("\r\n--{}\r\nContent-Type: {}\r\nContent-Range: bytes {}-{}/{}\r\n\r\n",
                              boundary, from.content->content_type, ranges[index].first, ranges[index].last,
                              what.status.size);
        ends[index] = x.text.size();
        length += ranges[index].size();
    }
    x.text += fmt::format("\r\n--{}--\r\n", boundary);
    length += x.text.size();

    head_writer head(206, worker_.date());
    head.add(
        "Content-Type: multipart/byteranges; boundary={}\r\nContent-Length: {}\r\nAccept-Ranges: bytes\r\n",
        boundary, length);
    add_description(head, *from.content, what, in);
    head.end(keep_alive_, x.parser.head().minor_version);
    log(206, length);
    append_head(head.text());

    const auto push_text = [&](std::size_t begin, std::size_t end) {
        add_piece(std::string_view(x.text).substr(begin, end - begin));
    };
    std::size_t begin = 0;
    for (std::size_t index = 0; index < ranges.size(); ++index) {
        push_text(begin, ends[index]);
        append_representation(from, what, ranges[index].first, ranges[index].size());
        begin = ends[index];
    }
    push_text(begin, x.text.size());
    return next_step::flush;
}

// To the same path with a slash behind it. Built from the decoded path: "//host/" would be another server.
connection::next_step connection::answer_redirect(std::string_view path) noexcept try {
    turn& x = *turn_;
    const request_head& request = x.parser.head();
    std::string_view prefix = x.mounted->pattern;
    if (prefix.ends_with('/')) prefix.remove_suffix(1);
    const std::string location = (prefix.empty() ? std::string() : encode_path(prefix.substr(1))) +
                                 encode_path(path) + "/" +
                                 encode_high_bytes(query_part(request.target.in(x.head)));
    const std::string page = "<!doctype html>\n<title>Moved</title>\n<p>The directory is <a href=\"" +
                             escape_html(location) + "\">here</a>.</p>\n";
    head_writer end(301, worker_.date());
    end.add("Content-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\n", page.size());
    x.text = fmt::format("{}Location: {}\r\n{}\r\n", end.text(), location,
                         connection_line(keep_alive_, request.minor_version));
    if (is_dressed()) x.text = dress(x.text);
    const bool has_body = request.method != method::head;
    if (has_body) x.text += page;
    log(301, has_body ? page.size() : 0);
    add_piece(x.text);
    return next_step::flush;
} catch (const std::bad_alloc&) {
    return out_of_memory(turn_->filled);
}

connection::next_step connection::failed(const std::error_code& error) noexcept {
    switch (error.value()) {
        case ENOENT:
        case ENOTDIR:
        case EXDEV:
        case ELOOP:
        case ENAMETOOLONG:
            return answer_status(404, no_such_file);
        case EACCES:
        case EPERM:
            return answer_status(403, "This may not be read.");
        case EMFILE:
        case ENFILE:
        case ENOMEM:
        case EAGAIN:
            return answer_status(503, "The server is out of resources for the moment.", "Retry-After: 1\r\n");
        case ETIMEDOUT:
            return answer_status(503, "The disk does not answer.", "Retry-After: 1\r\n");
        default:
            return answer_status(500, "The file could not be read.");
    }
}

}  // namespace naru::http
