// Handle: from a request to an answer. Plain requests for files in the cache are one copy; everything else is
// put together here.
#include <naru/http/limits.hpp>
#include <naru/http/message/path.hpp>
#include <naru/http/server/worker.hpp>

#include <array>
#include <cerrno>
#include <utility>

#include <fmt/format.h>

namespace naru::http {

namespace {

constexpr std::string_view no_such_file = "There is no such file here.";
constexpr std::string_view allowed = "Allow: GET, HEAD, OPTIONS\r\n";

// Requests that a prepared answer does not fit.
constexpr std::uint16_t conditional =
    request_head::bit(field::range) | request_head::bit(field::if_range) |
    request_head::bit(field::if_match) | request_head::bit(field::if_none_match) |
    request_head::bit(field::if_modified_since) | request_head::bit(field::if_unmodified_since);

std::string_view phrase_of(unsigned status) noexcept {
    switch (status) {
        case 200:
            return "OK";
        case 204:
            return "No Content";
        case 206:
            return "Partial Content";
        case 301:
            return "Moved Permanently";
        case 304:
            return "Not Modified";
        case 400:
            return "Bad Request";
        case 403:
            return "Forbidden";
        case 404:
            return "Not Found";
        case 405:
            return "Method Not Allowed";
        case 408:
            return "Request Timeout";
        case 412:
            return "Precondition Failed";
        case 413:
            return "Content Too Large";
        case 414:
            return "URI Too Long";
        case 416:
            return "Range Not Satisfiable";
        case 417:
            return "Expectation Failed";
        case 431:
            return "Request Header Fields Too Large";
        case 501:
            return "Not Implemented";
        case 503:
            return "Service Unavailable";
        case 505:
            return "HTTP Version Not Supported";
        default:
            return "Internal Server Error";
    }
}

// A head, written into memory on the stack. What goes in is bounded: our own words, numbers and validators.
class head_writer {
 public:
    head_writer(unsigned status, std::string_view date) {
        add("HTTP/1.1 {} {}\r\nServer: naru\r\nDate: {}\r\n", status, phrase_of(status), date);
    }

    template <class... Arguments>
    void add(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
        const auto [end, size] = fmt::format_to_n(text_.data() + size_, text_.size() - size_, format,
                                                  std::forward<Arguments>(arguments)...);
        NARU_ASSERT(size <= text_.size() - size_);
        size_ = static_cast<std::size_t>(end - text_.data());
    }

    /// The Connection field, where the version's default is not meant, and the empty line.
    void end(bool keep_alive, unsigned minor_version) {
        if (!keep_alive) {
            add("Connection: close\r\n\r\n");
        } else if (minor_version == 0) {
            add("Connection: keep-alive\r\n\r\n");
        } else {
            add("\r\n");
        }
    }

    std::string_view text() const noexcept { return {text_.data(), size_}; }

 private:
    std::array<char, 1024> text_;
    std::size_t size_ = 0;
};

void add_description(head_writer& head, const document& from, const representation& what, coding in) {
    const auto modified = format_last_modified(what.status.modified.seconds);
    head.add("Last-Modified: {}\r\nETag: {}\r\n", std::string_view(modified.data(), modified.size()),
             what.etag);
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

exchange::disk_step::disk_step(exchange& of) noexcept
    : disk_waiter([](disk_waiter& self, const disk_answer& found) noexcept {
          static_cast<disk_step&>(self).owner.owner.on_disk_answer(found);
      }),
      owner(of) {}

connection::next_step connection::handle() noexcept {
    const request_head& request = exchange_->parser.head();
    switch (request.method) {
        case method::get:
        case method::head:
            return handle_file(request.target.in(exchange_->head).substr(0, request.path_length));
        case method::options: {
            head_writer head(204, worker_.date());
            head.add("{}", allowed);
            head.end(keep_alive_, request.minor_version);
            append(head.text());
            log(204, 0);
            return next_step::go_on;
        }
        case method::other:
            return answer_status(501, "This method is not known here.");
        default:
            return answer_status(405, "This method is not allowed here.", allowed);
    }
}

connection::next_step connection::handle_file(std::string_view path) noexcept {
    if (exchange_->parser.head().plain_path) return handle_decoded(path.substr(1));
    std::array<char, limits::request_line_bytes> scratch;
    const auto decoded = decode_path(path, scratch);
    if (!decoded) return answer_status(400, "The path is malformed.");
    if (!worker_.options_.dotfiles && has_dotfile(*decoded)) return answer_status(404, no_such_file);
    return handle_decoded(*decoded);
}

connection::next_step connection::handle_decoded(std::string_view path) noexcept {
    const disk_answer found = worker_.disk_.find(path, exchange_->waiting);
    if (found.is == disk_answer::kind::waits) {
        wait_for_disk();
        return next_step::wait;
    }
    const next_step then = answer_found(found);
    if (found.document != nullptr) worker_.cache_.let_go(*found.document);
    return then;
}

// No buffer is held meanwhile, unless there is something in it: answers to what came before, or what is to
// come after.
void connection::wait_for_disk() noexcept {
    phase_ = phase::handling;
    if (exchange_->filled == 0) release_output();
    park_input();
    worker_.loop_.arm(*this, worker_.disk_.patience_of(exchange_->waiting));
}

// It has taken too long: what is known is the answer, or that the disk hangs.
void connection::leave_disk() noexcept {
    worker_.disk_.leave(exchange_->waiting);
    disk_answer once_more;
    once_more.is = disk_answer::kind::again;
    on_disk_answer(once_more);
}

void connection::on_disk_answer(const disk_answer& found) noexcept {
    if (!output_room(limits::answer_head_bytes)) return flush();
    go_on(found.is == disk_answer::kind::again ? handle() : answer_found(found));
}

void connection::go_on(next_step after_answer) noexcept {
    if (after_answer == next_step::wait) return;
    forget_head();
    if (after_answer == next_step::flush || !keep_alive_) return flush();
    process();
}

connection::next_step connection::answer_found(const disk_answer& found) noexcept {
    if (found.is == disk_answer::kind::failed) return failed(found.error);
    if (found.document->content->is == document::kind::directory)
        return answer_redirect(found.document->path);
    if (!found.document->in_cache && !worker_.has_room_for(*found.document->content)) {
        worker_.count_shed(shed_reason::no_loose);
        return answer_status(503, "Too much is being sent to slow readers for the moment.",
                             "Retry-After: 1\r\n");
    }
    return answer(*found.document);
}

connection::next_step connection::answer(cached_document& from) noexcept {
    const document& what = *from.content;
    if (what.is == document::kind::file) return answer_file(from);
    head_writer head(200, worker_.date());
    head.add("Content-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\nCache-Control: no-cache\r\n",
             what.text.size());
    head.end(keep_alive_, exchange_->parser.head().minor_version);
    append(head.text());
    const bool only_head = exchange_->parser.head().method == method::head;
    log(200, only_head ? 0 : what.text.size());
    if (only_head) return next_step::go_on;
    add_piece(what.text);
    hold(from);
    return next_step::flush;
}

connection::next_step connection::answer_file(cached_document& from) noexcept {
    const document& file = *from.content;
    const request_head& request = exchange_->parser.head();
    const std::string_view text = exchange_->head;
    coding in = coding::identity;
    if (file.varies && request.has(field::accept_encoding)) {
        in = choose_coding(request, text, file.available());
    }
    const representation& what = file.in(in);
    const bool plain = (request.present & conditional) == 0;
    if (plain && keep_alive_ && request.method == method::get && request.minor_version > 0)
        return answer_ready(from, what);

    unsigned status = 200;
    range_list ranges;
    if (!plain) {
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
                        return answer_status(416, "The file has no such part.",
                                             fmt::format("Content-Range: bytes */{}\r\n", what.status.size));
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
    append(head.text());
    const bool has_body = status != 304 && request.method == method::get;
    log(status, has_body ? sent.size() : 0);
    if (has_body) append_representation(from, what, sent.first, sent.size());
    return exchange_->piece_count == 0 ? next_step::go_on : next_step::flush;
}

// The hot path: a head prepared when the file was read, and the content behind it.
connection::next_step connection::answer_ready(cached_document& from, const representation& what) noexcept {
    log(200, what.status.size);
    if (what.ready_has_content() && exchange_->filled + what.ready.size() <= limits::output_bytes) {
        append_ready(what, what.ready.size());
        return next_step::go_on;
    }
    append_ready(what, what.head_size);
    append_representation(from, what, 0, what.status.size);
    return exchange_->piece_count == 0 ? next_step::go_on : next_step::flush;
}

// multipart/byteranges (RFC 9110, section 14.6).
connection::next_step connection::answer_ranges(cached_document& from, const representation& what, coding in,
                                                std::span<const byte_range> ranges) noexcept {
    exchange& x = *exchange_;
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
    append(head.text());
    log(206, length);

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
connection::next_step connection::answer_redirect(std::string_view path) noexcept {
    exchange& x = *exchange_;
    const request_head& request = x.parser.head();
    const std::string location =
        encode_path(path) + "/" + encode_high_bytes(query_part(request.target.in(x.head)));
    const std::string page = "<!doctype html>\n<title>Moved</title>\n<p>The directory is <a href=\"" +
                             escape_html(location) + "\">here</a>.</p>\n";
    head_writer end(301, worker_.date());
    end.add("Content-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\n", page.size());
    x.text = fmt::format("{}Location: {}\r\n", end.text(), location);
    x.text += !keep_alive_                 ? "Connection: close\r\n\r\n"
              : request.minor_version == 0 ? "Connection: keep-alive\r\n\r\n"
                                           : "\r\n";
    const bool has_body = request.method != method::head;
    if (has_body) x.text += page;
    log(301, has_body ? page.size() : 0);
    add_piece(x.text);
    return next_step::flush;
}

connection::next_step connection::answer_status(unsigned status, std::string_view explanation,
                                                std::string_view extra_fields) noexcept {
    const request_head& request = exchange_->parser.head();
    std::array<char, 512> page;
    const auto [end, size] = fmt::format_to_n(page.data(), page.size(),
                                              "<!doctype html>\n<html lang=\"en\">\n<title>{0} "
                                              "{1}</title>\n<h1>{0} {1}</h1>\n<p>{2}</p>\n</html>\n",
                                              status, phrase_of(status), explanation);
    NARU_ASSERT(size <= page.size());
    head_writer head(status, worker_.date());
    head.add("Content-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\n{}", end - page.data(),
             extra_fields);
    head.end(keep_alive_, request.minor_version);
    append(head.text());
    const bool has_body = request.method != method::head;
    if (has_body) append({page.data(), static_cast<std::size_t>(end - page.data())});
    log(status, has_body ? size : 0);
    return keep_alive_ ? next_step::go_on : next_step::flush;
}

connection::next_step connection::refuse(const refusal& why) noexcept {
    keep_alive_ = false;
    std::array<char, 256> sentence;
    const auto [end, size] =
        fmt::format_to_n(sentence.data(), sentence.size(), "The request was refused: {}.", why.reason);
    return answer_status(why.status, {sentence.data(), static_cast<std::size_t>(end - sentence.data())});
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

void connection::log(unsigned status, std::uint64_t bytes) noexcept {
    if (worker_.log_ == nullptr) return;
    const request_head& request = exchange_->parser.head();
    const std::string_view text = exchange_->head;
    access_entry entry;
    const auto peer = address::peer_of(worker_.loop_.borrow(target).get());
    const std::string host = peer ? peer->host_text() : std::string();
    entry.host = host;
    entry.unix_seconds = worker_.unix_seconds();
    if (!text.empty()) {  // else it was refused, and what is known of it points nowhere
        const std::size_t line = request.method_name.offset;  // behind empty lines
        entry.request_line = text.substr(line, text.find("\r\n", line) - line);
        entry.referer = request.value(field::referer, text);
        entry.user_agent = request.value(field::user_agent, text);
    }
    entry.status = status;
    entry.bytes = bytes;
    worker_.log_->append(combined_line(entry));
}

}  // namespace naru::http
