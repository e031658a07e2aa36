// Answers of handlers that are whole at once.
#include <naru/http/exchange/answer_head.hpp>
#include <naru/http/exchange/call.hpp>
#include <naru/http/h1/scan.hpp>
#include <naru/http/link/head_writer.hpp>
#include <naru/http/message/date.hpp>
#include <naru/http/message/fields.hpp>
#include <naru/http/message/path.hpp>
#include <naru/http/server/served_site.hpp>
#include <naru/http/server/worker.hpp>

#include <algorithm>
#include <array>
#include <cstring>
#include <new>
#include <utility>

#include <fmt/format.h>

namespace naru::http {

namespace {

constexpr std::string_view server_line = "\r\nServer: naru\r\nDate: ";

/// Bytes of what stands before the fields of an answer, and behind them: at most.
constexpr std::size_t frame_bytes = 160;

constexpr bool can_be_final(unsigned status) noexcept { return status >= 200 && status <= 599; }

bool is_value(std::string_view text) noexcept {
    return find_control(text.data(), text.data() + text.size()) == text.data() + text.size();
}

// Without a Server, or Date, if the handler has added its own.
void put_beginning(text_cursor& to, unsigned status, std::string_view date, bool own_server,
                   bool own_date) noexcept {
    to.put("HTTP/1.1 ");
    to.put(std::uint64_t{status});
    to.put(" ");
    to.put(phrase_of(status));
    if (!own_server && !own_date) [[likely]] {
        to.put(server_line);
        to.put(date);
    } else if (own_date) {
        if (!own_server) to.put("\r\nServer: naru");
    } else {
        to.put("\r\nDate: ");
        to.put(date);
    }
    to.put("\r\n");
}

}  // namespace

// What is left of a body that a coroutine handler has not read is dropped if it is here already; else the
// connection ends behind the answer.
bool connection::settle_body() noexcept {
    turn& t = *turn_;
    if (t.calls == nullptr || t.calls->body_done) return true;
    parse_status status = parse_status::need_more;
    const auto drop = [&](std::string_view& input) {
        while (status == parse_status::need_more && !input.empty()) {
            std::string_view piece;
            status = t.body.read(input, piece);
        }
    };
    std::string_view input = unread();
    drop(input);
    t.begin = t.end - static_cast<std::uint32_t>(input.size());
    if (status == parse_status::need_more) {
        std::string_view rest = t.surplus;
        drop(rest);
        t.surplus.erase(0, t.surplus.size() - rest.size());
        charge();
    }
    t.calls->body_done = status == parse_status::complete;
    if (t.calls->body_done) return true;
    keep_alive_ = false;
    dirty_close_ = true;
    return false;
}

void connection::answer_exchange(exchange& x, unsigned status, std::string_view type, std::string_view body,
                                 std::string* owned) noexcept {
    std::array<char, 64> length_line;
    std::array<std::string_view, 5> lines;
    std::size_t used = 0;
    if (!has_no_content(status)) {
        if (!type.empty()) {
            lines[used++] = "Content-Type: ";
            lines[used++] = type;
            lines[used++] = "\r\n";
        }
        text_cursor cursor(length_line.data());
        cursor.put("Content-Length: ");
        cursor.put(std::uint64_t{body.size()});
        cursor.put("\r\n");
        lines[used++] = {length_line.data(), static_cast<std::size_t>(cursor.get() - length_line.data())};
    }
    lines[used++] = x.fields_;
    answer_lines(x, status, std::span(lines).first(used), body, owned);
}

// `lines`: pieces of text that are the fields, but for those of the connection.
void connection::answer_lines(exchange& x, unsigned status, std::span<const std::string_view> lines,
                              std::string_view body, std::string* owned) noexcept try {
    turn& t = *turn_;
    const request_head& request = t.parser.head();
    if (t.calls != nullptr && !t.calls->body_done) (void)settle_body();
    if (has_no_content(status) || request.method == method::head) body = {};
    log(status, body.size());
    x.answered_ = x.ended_ = true;
    if (t.serves->has_hooks) return answer_lines_dressed(x, status, lines, body);
    std::size_t head = frame_bytes;
    for (const std::string_view each : lines)
        head += each.size();
    const auto write_head = [&](char* into) {
        text_cursor cursor(into);
        put_beginning(cursor, status, worker_.date(), x.own_server_, x.own_date_);
        for (const std::string_view each : lines)
            cursor.put(each);
        cursor.put(connection_line(keep_alive_, request.minor_version));
        cursor.put("\r\n");
        return cursor.get();
    };
    const std::size_t whole = head + body.size();
    const bool fits = phase_ != phase::sending && head <= limits::output_bytes && output_room(head) &&
                      t.filled + head <= limits::output_bytes;
    if (!fits) {
        std::string text(whole, '\0');
        text.resize(static_cast<std::size_t>(write_head(text.data()) - text.data()));
        text += body;
        return append_alone(std::move(text));
    }
    char* const begin = reinterpret_cast<char*>(t.output);
    t.filled = static_cast<std::uint32_t>(write_head(begin + t.filled) - begin);
    if (body.empty()) return;
    if (t.filled + body.size() <= limits::output_bytes &&
        (owned == nullptr || body.size() <= limits::copied_body_bytes))
        return append(body);
    if (owned != nullptr) {
        t.text = std::move(*owned);
    } else {
        t.text = body;
    }
    add_piece(t.text);
} catch (const std::bad_alloc&) {
    turn_->lacks_buffer = true;
}

// Hooks see the fields as text, and may change them.
void connection::answer_lines_dressed(exchange& x, unsigned status, std::span<const std::string_view> lines,
                                      std::string_view body) {
    turn& t = *turn_;
    std::array<char, frame_bytes> memory;
    text_cursor cursor(memory.data());
    put_beginning(cursor, status, worker_.date(), x.own_server_, x.own_date_);
    std::string head(memory.data(), static_cast<std::size_t>(cursor.get() - memory.data()));
    for (const std::string_view each : lines)
        head += each;
    head += connection_line(keep_alive_, t.parser.head().minor_version);
    head += "\r\n";
    exchange* const before = std::exchange(t.speaks, &x);
    std::string text = dress(head);
    t.speaks = before;
    text += body;
    if (output_room(text.size()) && t.filled + text.size() <= limits::output_bytes) return append(text);
    append_alone(std::move(text));
}

void connection::answer_prepared(exchange& x, const prepared& of) noexcept {
    turn& t = *turn_;
    const request_head& request = t.parser.head();
    const prepared& whole = of.for_client(request, t.head);
    const std::string_view text = whole.text_;
    if (settle_body() && keep_alive_ && request.minor_version > 0 && request.method != method::head &&
        phase_ != phase::sending && !t.serves->has_hooks && x.fields_.empty() &&
        text.size() <= limits::output_bytes && output_room(text.size())) {
        const std::size_t begin = t.filled;
        log(whole.status_, whole.body().size());
        append(text);
        const std::string_view date = worker_.date();
        std::memcpy(t.output + begin + whole.date_offset_, date.data(), date.size());
        x.answered_ = x.ended_ = true;
        return;
    }
    const std::array lines{whole.field_lines(), std::string_view(x.fields_)};
    answer_lines(x, whole.status_, lines, whole.body(), nullptr);
}

// Whether the answer that a handler gives now is the one that counts.
bool exchange::may_answer() noexcept {
    if (answered_) {
        if (call_ == nullptr || !call_->client_gone)
            link_->worker_.report([&] {
                return fmt::format("the handler of {} answered twice; the second answer is ignored",
                                   pattern());
            });
        return false;
    }
    if (call_ == nullptr) {
        if (!bad_field_) return true;
    } else if (call_->client_gone) {
        answered_ = ended_ = true;
        return false;
    } else if (call_->overrule == 0 && !bad_field_) {
        return true;
    }
    link_->settle_body();
    answered_ = ended_ = true;
    if (call_ != nullptr && call_->overrule != 0) {
        (void)link_->answer_status(call_->overrule, call_->overrule_reason);
    } else {
        (void)link_->answer_status(500, "The answer could not be made.");
    }
    if (call_ != nullptr) call_->answered();
    return false;
}

void exchange::report_refused(std::string_view what, std::string_view detail) noexcept {
    link_->worker_.report([&] {
        std::string shown(detail);
        std::ranges::replace_if(shown, [](char c) { return c < ' ' || c > '~'; }, '?');
        return fmt::format("the handler of {} {}: {}", pattern(), what, shown);
    });
}

void exchange::look_at(unsigned status, std::string_view content_type) noexcept {
    if (can_be_final(status) && is_value(content_type)) [[likely]]
        return;
    bad_field_ = true;
    if (answered_) return;
    if (can_be_final(status))
        return report_refused("gave a type that cannot be sent", content_type.substr(0, 64));
    std::array<char, 16> text;
    report_refused("gave a status that no answer has",
                   {text.data(), fmt::format_to_n(text.data(), text.size(), "{}", status).size});
}

void exchange::remove_own_lines() noexcept {
    answer_head lines(status_, fields_);
    if (own_date_) lines.remove("date");
    if (own_server_) lines.remove("server");
}

void exchange::respond(unsigned status, std::string_view content_type, std::string_view body) noexcept {
    look_at(status, content_type);
    if (!may_answer()) return;
    link_->answer_exchange(*this, status, content_type, encoded(status, content_type, body), nullptr);
    if (call_ != nullptr) call_->answered();
}

void exchange::respond(unsigned status, std::string_view content_type, std::string&& body) noexcept {
    look_at(status, content_type);
    if (!may_answer()) return;
    const std::string_view sent = encoded(status, content_type, body);
    link_->answer_exchange(*this, status, content_type, sent, sent.data() == body.data() ? &body : nullptr);
    if (call_ != nullptr) call_->answered();
}

void exchange::respond(const prepared& whole) noexcept {
    if (!may_answer()) return;
    link_->answer_prepared(*this, whole);
    if (call_ != nullptr) call_->answered();
}

void exchange::redirect(unsigned status, std::string_view location) noexcept {
    add("Location", location);
    respond(status, "text/plain; charset=utf-8", std::string_view());
}

exchange& exchange::add(std::string_view name, std::string_view value) noexcept try {
    constexpr std::array<std::string_view, 3> own = {"connection", "transfer-encoding", "keep-alive"};
    bool refused = !is_field(name, value) || std::ranges::any_of(own, [&](std::string_view each) {
        return equals_lower(name, each);
    }) || fields_.size() + name.size() + value.size() + 4 > limits::answer_fields_bytes;
    bool* const instead = equals_lower(name, "date")     ? &own_date_
                          : equals_lower(name, "server") ? &own_server_
                                                         : nullptr;
    if (instead != nullptr) refused |= answered_ || std::exchange(*instead, !refused);
    if (refused) {
        report_refused("added a field that cannot be sent", name.substr(0, limits::reported_name_bytes));
        bad_field_ = true;
        return *this;
    }
    if (equals_lower(name, "content-length")) {
        const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), left_);
        if (error != std::errc() || end != value.data() + value.size() || counts_) {
            report_refused("added a field that cannot be sent", name);
            bad_field_ = true;
        }
        counts_ = true;
        return *this;
    }
    if (fields_.empty()) link_->worker_.take_spare(fields_);
    fields_.append(name).append(": ").append(value).append("\r\n");
    return *this;
} catch (const std::bad_alloc&) {
    bad_field_ = true;
    return *this;
}

void detail::respond_with(exchange& x, result<answer>&& given) {
    if (!given) {
        x.add("Retry-After", "1");
        x.respond(503, "text/plain; charset=utf-8",
                  std::string_view("Too much waits to be worked on here.\n"));
        return;
    }
    for (const auto& [name, value] : given->fields)
        x.add(name, value);
    x.respond(given->status, given->content_type, std::move(given->body));
}

}  // namespace naru::http
