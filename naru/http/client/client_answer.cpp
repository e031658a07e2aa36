#include <naru/http/client/client_answer.hpp>

#include <naru/coro/deadline.hpp>
#include <naru/http/client/http2_stream.hpp>
#include <naru/http/message/fields.hpp>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <new>
#include <utility>

namespace naru::http {

namespace {

bool equals_any_case(std::string_view one, std::string_view other) noexcept {
    const auto lower = [](char byte) {
        return byte >= 'A' && byte <= 'Z' ? static_cast<char>(byte | 0x20) : byte;
    };
    return std::equal(one.begin(), one.end(), other.begin(), other.end(),
                      [&](char left, char right) { return lower(left) == lower(right); });
}

/// timeout=N of a Keep-Alive field.
std::optional<std::chrono::seconds> timeout_of(std::string_view keep_alive) noexcept {
    std::optional<std::chrono::seconds> found;
    for_each_element(keep_alive, [&](std::string_view each) {
        const std::size_t mark = each.find('=');
        if (mark == std::string_view::npos || !equals_any_case(trimmed(each.substr(0, mark)), "timeout"))
            return true;
        const std::string_view digits = trimmed(each.substr(mark + 1));
        std::uint32_t seconds = 0;
        const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), seconds);
        if (error == std::errc() && end == digits.data() + digits.size())
            found = std::chrono::seconds(seconds);
        return false;
    });
    return found;
}

bool append(std::string& whole, std::string_view piece) noexcept {
    try {
        whole.append(piece);
        return true;
    } catch (const std::bad_alloc&) {
        return false;
    }
}

std::string why_cut(const client_connection& on, std::error_code end) {
    if (const http2_stream* const stream = http2_stream::find(on.home(), on.native()); stream != nullptr)
        return words_of(*stream, end);
    return end == errc::end_of_stream ? "the connection was ended in the middle of the body" : "";
}

}  // namespace

client_answer::client_answer(connection_pool::turn turn, request_record record, const client_options& options,
                             std::shared_ptr<string_stash> strings, bool decode)
    : strings_(std::move(strings)),
      turn_(std::move(turn)),
      record_(std::move(record)),
      head_(turn_->head()),
      head_text_(turn_->take_head()),
      idle_(options.timeouts.idle) {
    const auto told = field("keep-alive");
    const auto seconds = told ? timeout_of(*told) : std::nullopt;
    turn_->set_keep_alive(seconds ? duration(*seconds) : options.keep_alive, seconds.has_value());

    const bool empty =
        head_.framing == body_framing::none || (head_.framing == body_framing::length && head_.length == 0);
    if (empty) {
        std::string_view nothing_of_it;
        (void)turn_->read_body(nothing_of_it);
        whole_ = true;
        turn_.finish();
        return;
    }
    const auto coding = field("content-encoding");
    if (!decode || !coding || !gunzip::available()) return;
    if (!equals_any_case(*coding, "gzip") && !equals_any_case(*coding, "x-gzip")) return;
    if (!gunzip_.begin()) throw std::bad_alloc();
    decoded_ = std::make_unique<std::array<char, limits::decoded_piece_bytes>>();
}

client_answer& client_answer::operator=(client_answer&& other) noexcept {
    if (this == &other) return *this;
    let_go();
    std::destroy_at(this);
    return *std::construct_at(this, std::move(other));
}

void client_answer::let_go() noexcept {
    if (whole_) turn_.finish();
    if (strings_ == nullptr) return;  // it has been moved from
    strings_->keep(record_.url);
    strings_->keep(head_text_);
}

std::string_view client_answer::fields() const noexcept {
    const std::string_view all = head_text_;
    return all.substr(std::min(all.find('\n'), all.size() - 1) + 1);
}

std::string_view client_answer::reason() const noexcept {
    const std::string_view line = std::string_view(head_text_).substr(0, head_text_.find('\r'));
    constexpr std::size_t before = std::string_view("HTTP/1.1 200 ").size();
    return line.substr(std::min(line.size(), before));
}

std::optional<std::string_view> client_answer::field(std::string_view name) const noexcept {
    std::string_view left = fields();
    for (response_field each; next_field(left, each);)
        if (equals_any_case(each.name, name)) return each.value;
    return std::nullopt;
}

std::unexpected<client_error> client_answer::fails(std::error_code code, std::string_view detail) {
    failed_ = record_.error(client_step::body, code, detail);
    if (record_.was_left_out) {
        if (detail.empty()) failed_->detail = code.message();
        failed_->detail +=
            " (the rest of the request's body was left out, since the server had begun its answer and "
            "read no more: request(what, take) reads while it sends)";
    }
    whole_ = false;
    turn_ = connection_pool::turn();
    return std::unexpected(*failed_);
}
std::unexpected<client_error> client_answer::fails(int error_number, std::string_view detail) {
    return fails(std::error_code(error_number, errno_category()), detail);
}

// What is on its way is waited for, so that the connection can be kept, and the body's source is not: it may
// wait for whoever reads this.
task<> client_answer::finish() {
    bool is_quick = false;
    // Asked for anew each time: with its end it may be gone.
    while (upload* const sending = turn_ ? turn_->sending() : nullptr) {
        if (!std::exchange(is_quick, true)) sending->be_quick();
        if (sending->is_asking()) co_return sending->wait_for_source();
        auto settled = co_await sending->settled();
        if (!settled) break;
    }
    turn_.finish();
}

task<client_result<std::string_view>> client_answer::read_raw() {
    if (failed_) co_return std::unexpected(*failed_);
    if (whole_) {
        co_await finish();
        co_return std::string_view();
    }
    while (true) {
        std::string_view data;
        const auto then = turn_->read_body(data);
        if (then == response_reader::outcome::bad) co_return fails(EBADMSG, turn_->problem());
        whole_ = then == response_reader::outcome::complete;
        if (!data.empty()) co_return data;
        if (!whole_ && turn_->ended()) {
            whole_ = turn_->end_of_body();
            if (!whole_) {
                const std::error_code end = turn_->end();
                co_return fails(end, why_cut(*turn_.operator->(), end));
            }
        }
        if (whole_) {
            co_await finish();
            co_return std::string_view();
        }
        auto arrived = co_await with_deadline(record_.by(idle_), turn_->arrival());
        if (!arrived) co_return fails(arrived.error());
    }
}

// What can be decoded of what there is; nothing if more is needed.
client_result<std::string_view> client_answer::decode() {
    std::size_t made = 0;
    switch (gunzip_.decode(raw_, *decoded_, made)) {
        case gunzip::outcome::more:
            break;
        case gunzip::outcome::bad:
            return fails(EBADMSG, "the body is not the gzip that it is said to be");
        case gunzip::outcome::no_memory:
            return fails(ENOMEM);
    }
    decodes_more_ = made == decoded_->size() || !raw_.empty();
    return std::string_view(decoded_->data(), made);
}

task<client_result<bytes_view>> client_answer::read() {
    if (failed_) co_return std::unexpected(*failed_);
    while (true) {
        if (decodes_more_) {
            auto text = decode();
            if (!text) co_return std::unexpected(std::move(text.error()));
            if (!text->empty()) co_return as_bytes(*text);
        }
        auto raw = co_await read_raw();
        if (!raw) co_return std::unexpected(std::move(raw.error()));
        if (!decoded()) co_return as_bytes(*raw);
        if (raw->empty()) {
            if (any_raw_ && !gunzip_.at_end()) co_return fails(EBADMSG, "the gzip body is cut off");
            co_return bytes_view();
        }
        raw_ = *raw;
        decodes_more_ = any_raw_ = true;
    }
}

task<client_result<std::string>> client_answer::text(std::size_t limit) {
    std::string whole;
    while (true) {
        auto piece = co_await read();
        if (!piece) co_return std::unexpected(std::move(piece.error()));
        if (piece->empty()) co_return whole;
        if (piece->size() > limit - whole.size()) {
            co_return fails(EMSGSIZE,
                            "the body is longer than the " + std::to_string(limit) + " bytes allowed");
        }
        if (!append(whole, as_text(*piece))) co_return fails(ENOMEM);
    }
}

task<> client_answer::drain() {
    std::size_t total = 0;
    while (total <= limits::redirect_body_bytes) {
        const auto piece = co_await read_raw();
        if (!piece || piece->empty()) co_return;
        total += piece->size();
    }
}

}  // namespace naru::http
