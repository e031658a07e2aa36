// Handle: from a request to whoever answers it; and the answers that are the library's own.
#include <naru/http/exchange/answer_head.hpp>
#include <naru/http/exchange/call.hpp>
#include <naru/http/exchange/forwarded.hpp>
#include <naru/http/limits.hpp>
#include <naru/http/link/head_writer.hpp>
#include <naru/http/message/path.hpp>
#include <naru/http/server/served_site.hpp>
#include <naru/http/server/worker.hpp>

#include <array>
#include <new>
#include <string>
#include <utility>

#include <fmt/format.h>

namespace naru::http {

connection::next_step connection::handle() noexcept {
    const served_site& serves = *turn_->serves;
    const bool may_be_secure = is_stream_ || loop::names_layer(target);
    if (may_be_secure && is_for_another_connection()) [[unlikely]] {
        leave_body();
        return answer_status(421, "This host's clients are to show other certificates: connect to it anew.");
    }
    return serves.plain ? handle_mount(*serves.only_files, *serves.files.front()) : handle_routed();
}

bool connection::is_for_another_connection() noexcept {
    return is_secure() && is_misdirected(exchange(*this).authority());
}

// The request's path, decoded, in its head or behind a slash in `scratch`; and its route. Nothing if the path
// is malformed.
std::optional<std::string_view> connection::locate(route_match& into, std::span<char> scratch) noexcept {
    const request_head& request = turn_->parser.head();
    scratch.front() = '/';
    const auto decoded = decoded_path(request, turn_->head, scratch.subspan(1));
    if (!decoded) return std::nullopt;
    const detail::site_data& site = *turn_->serves->site;
    const auto& routes =
        site.by_host.empty() ? site.routes : site.for_host(request.value(field::host, turn_->head)).routes;
    routes.find(*decoded, request.method, into);
    return decoded;
}

bool connection::goes_to_a_coroutine(const route_match& found) const noexcept {
    if (turn_->serves->site->has_coroutine_before) return true;
    return found.found != nullptr && found.found->handles.kind == detail::handler_kind::coroutine;
}

// For a request with a body, before that is received.
std::uint64_t connection::body_limit_of_route(bool& coroutine) noexcept {
    coroutine = false;
    const request_head& request = turn_->parser.head();
    if (turn_->serves->plain || request.asterisk || request.method >= method::connect)
        return limits::body_bytes;
    std::array<char, limits::request_line_bytes + 1> scratch;
    route_match found;
    if (!locate(found, scratch)) return limits::body_bytes;
    coroutine = goes_to_a_coroutine(found);  // also where there is no route, for the steps before
    if (found.found == nullptr) return limits::body_bytes;
    return found.found->options.body_limit;
}

connection::next_step connection::handle_routed() noexcept {
    const request_head& request = turn_->parser.head();
    if (request.method == method::other) return answer_status(501, "This method is not known here.");
    if (request.asterisk) return answer_allowed("Allow: GET, HEAD, OPTIONS, POST, PUT, PATCH, DELETE\r\n");
    if (request.method == method::connect)
        return answer_status(405, "This method is not allowed here.", "Allow: GET, HEAD, OPTIONS\r\n");
    std::array<char, limits::request_line_bytes + 1> scratch;
    route_match found;
    const auto decoded = locate(found, scratch);
    if (!decoded) return answer_status(400, "The path is malformed.");
    const std::string_view path =
        decoded->empty() ? std::string_view("/") : std::string_view(decoded->data() - 1, decoded->size() + 1);
    if (goes_to_a_coroutine(found)) return begin_call(found, path);
    exchange x(*this);
    x.path_ = path;
    x.route_ = found.found;
    x.params_ = found.params;
    x.param_count_ = found.param_count;
    x.prefix_ = static_cast<std::uint32_t>(found.prefix + 1);
    turn_->speaks = &x;
    const next_step then = handle_match(x, found);
    if (then != next_step::wait) turn_->speaks = nullptr;  // else the turn may be gone
    return then;
}

connection::next_step connection::handle_match(exchange& x, const route_match& found) noexcept {
    for (const detail::handler& step : turn_->serves->site->for_host_of(x).before) {
        step.call(step.object.get(), x);
        if (x.answered_) return finish_function(x);
    }
    if (found.found == nullptr || found.found->handles.kind == detail::handler_kind::files)
        x.drop_own_lines();
    turn_->added_fields = std::move(x.fields_);
    if (found.found == nullptr) return answer_unrouted(found);
    if (found.found->handles.kind == detail::handler_kind::files)
        return handle_mount(*found.found, *turn_->serves->files[found.found->files_index]);
    x.fields_ = std::move(turn_->added_fields);
    turn_->added_fields.clear();
    return handle_function(x);
}

connection::next_step connection::handle_function(exchange& x) noexcept {
    const detail::handler& handles = x.route_->handles;
    handles.call(handles.object.get(), x);
    worker_.note_step(turn_->serves->counted_as[x.route_->number]);
    if (!x.answered_) {
        worker_.report([&] { return fmt::format("the handler of {} gave no answer", x.route_->pattern); });
        return answer_status(500, "The server has no answer to this.");
    }
    return finish_function(x);
}

connection::next_step connection::finish_function(exchange& x) noexcept {
    worker_.keep_spare(x.fields_);
    const bool goes_on = turn_->piece_count == 0 && !turn_->lacks_buffer && !turn_->then;
    return goes_on ? next_step::go_on : next_step::flush;
}

// No route: 404, or 405, or what is for free.
connection::next_step connection::answer_unrouted(const route_match& found) noexcept {
    if (found.allowed == 0) return answer_status(404, "There is nothing here.");
    std::array<char, 96> names;
    std::array<char, 128> line;
    const std::string_view allow = allow_text(found.allowed, names);
    text_cursor cursor(line.data());
    cursor.put("Allow: ");
    cursor.put(allow);
    cursor.put("\r\n");
    const std::string_view text(line.data(), static_cast<std::size_t>(cursor.get() - line.data()));
    if (turn_->parser.head().method == method::options) return answer_allowed(text);
    return answer_status(405, "This method is not allowed here.", text);
}

connection::next_step connection::answer_allowed(std::string_view allow_line) noexcept {
    head_writer head(204, worker_.date());
    head.add("{}", allow_line);
    head.end(keep_alive_, turn_->parser.head().minor_version);
    log(204, 0);
    append_head(head.text());
    return next_step::go_on;
}

void connection::go_on(next_step after_answer) noexcept {
    if (after_answer == next_step::wait) return;
    forget_head();
    if (after_answer == next_step::flush || !keep_alive_ || is_stream_ || turn_->lacks_buffer) return flush();
    if (has_input() && !worker_.may_answer_more()) return flush();
    process();
}

void connection::append_head(std::string_view head) noexcept {
    if (!is_dressed()) return append(head);
    try {
        append(dress(head));
    } catch (const std::bad_alloc&) {
        turn_->lacks_buffer = true;
    }
}

// A head as it is to leave: with the fields that were added, and as the site's hooks want it.
std::string connection::dress(std::string_view head) {
    std::size_t begin = 0;  // behind the status line, Server and Date
    for (const std::string_view each : {"HTTP/", "Server: naru\r\n", "Date: "}) {
        if (head.substr(begin).starts_with(each)) begin = head.find("\r\n", begin) + 2;
    }
    std::string_view fields = head.substr(begin, head.find("\r\n\r\n", begin - 2) + 2 - begin);
    const std::string_view behind = head.substr(begin + fields.size());
    std::string_view ending;
    for (const std::string_view each : {close_line, keep_alive_line}) {
        if (!fields.ends_with(each)) continue;
        fields.remove_suffix(each.size());
        ending = each;
    }
    std::string lines(fields);
    lines += std::exchange(turn_->added_fields, {});
    const auto status = static_cast<unsigned>(std::stoul(std::string(head.substr(9, 3))));
    answer_head seen(status, lines);
    const detail::site_data& site =
        turn_->serves->site->for_host(turn_->parser.head().value(field::host, turn_->head));
    if (turn_->speaks != nullptr) {
        for (const auto& hook : site.hooks)
            hook(*turn_->speaks, seen);
    } else {  // it has waited since
        std::array<char, limits::request_line_bytes + 1> scratch;
        route_match found;
        exchange x(*this);
        if (const auto decoded = locate(found, scratch); decoded && !decoded->empty())
            x.path_ = std::string_view(decoded->data() - 1, decoded->size() + 1);
        x.route_ = found.found;
        for (const auto& hook : site.hooks)
            hook(x, seen);
    }
    std::string dressed(head.substr(0, begin));
    dressed += lines;
    dressed += ending;
    dressed += behind;
    return dressed;
}

// There is no memory for the answer: 503 instead, which needs none, of what has been written of it nothing.
// Of a body that may be unread nothing must be taken for the next request.
// A body that a coroutine was to read may still be coming: nothing can be asked behind it.
void connection::leave_body() noexcept {
    if (!turn_->parser.head().has_body()) return;
    keep_alive_ = false;
    dirty_close_ = true;
}

connection::next_step connection::out_of_memory(std::uint32_t filled_before) noexcept {
    turn& x = *turn_;
    x.filled = filled_before;
    x.piece_count = 0;
    std::string().swap(x.text);
    let_go();
    leave_body();
    return answer_status(503, "The server is out of resources for the moment.", "Retry-After: 1\r\n");
}

connection::next_step connection::answer_status(unsigned status, std::string_view explanation,
                                                std::string_view extra_fields) noexcept {
    const request_head& request = turn_->parser.head();
    std::array<char, 512> page;
    const std::size_t size = fmt::format_to_n(page.data(), page.size(),
                                              "<!doctype html>\n<html lang=\"en\">\n<title>{0} "
                                              "{1}</title>\n<h1>{0} {1}</h1>\n<p>{2}</p>\n</html>\n",
                                              status, phrase_of(status), explanation)
                                 .size;
    NARU_ASSERT(size <= page.size());
    std::string_view body(page.data(), size);
    std::string own;
    exchange encodes(*this);  // a page of the site's, as an answer of a handler's would be
    std::string_view type = "text/html; charset=utf-8";
    if (turn_->serves->site->error_page && make_error_page(status, explanation, own)) {
        body = own;
        type = turn_->serves->site->error_type;
        if (!turn_->head.empty()) body = encodes.encoded(status, type, body);
    }
    head_writer head(status, worker_.date());
    head.add("Content-Type: {}\r\nContent-Length: {}\r\n{}{}", type, body.size(), extra_fields,
             encodes.fields_);
    worker_.keep_spare(encodes.fields_);
    head.end(keep_alive_, request.minor_version);
    const bool has_body = request.method != method::head;
    log(status, has_body ? body.size() : 0, explanation);
    append_head(head.text());
    if (has_body) {
        if (phase_ != phase::sending && turn_->filled + body.size() > limits::output_bytes) {
            try {
                if (body.data() != own.data()) own = body;
                turn_->text = std::move(own);
                add_piece(turn_->text);
            } catch (const std::bad_alloc&) {
                turn_->lacks_buffer = true;
            }
            return next_step::flush;
        }
        append(body);
    }
    return keep_alive_ ? next_step::go_on : next_step::flush;
}

// The site's page. False: it could not be made.
bool connection::make_error_page(unsigned status, std::string_view explanation, std::string& into) noexcept
    try {
    into = turn_->serves->site->error_page(status, explanation);
    return true;
} catch (const std::exception& error) {
    worker_.report([&] { return std::string_view(error.what()); });
    return false;
}

connection::next_step connection::refuse(const refusal& why) noexcept {
    keep_alive_ = false;
    std::array<char, 256> sentence;
    const auto [end, size] =
        fmt::format_to_n(sentence.data(), sentence.size(), "The request was refused: {}.", why.reason);
    worker_.refuses_ = true;
    return answer_status(why.status, {sentence.data(), static_cast<std::size_t>(end - sentence.data())});
}

}  // namespace naru::http
