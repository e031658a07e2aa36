// Records: what the access log and the counts are told of each answer, once it has ended.
#include <naru/http/exchange/call.hpp>
#include <naru/http/exchange/forwarded.hpp>
#include <naru/http/h2/stream.hpp>
#include <naru/http/server/served_site.hpp>
#include <naru/http/server/worker.hpp>

#include <algorithm>
#include <bit>
#include <chrono>
#include <cstring>
#include <new>

namespace naru::http {

namespace {

// As nginx says it of a client that has left before there was an answer.
constexpr unsigned client_closed = 499;

// Of an answer in pieces: no other is like it.
constexpr std::uint64_t no_body_yet = ~std::uint64_t{0};

// Sixteen hexadecimal digits, eight at a time: each byte of a word becomes one.
void put_digits(char* into, std::uint64_t number) noexcept {
    constexpr std::uint64_t ones = 0x0101010101010101u;
    for (const unsigned half : {32u, 0u}) {
        std::uint64_t word = number >> half & 0xffffffff;
        word = (word | word << 16) & 0x0000ffff0000ffff;
        word = (word | word << 8) & 0x00ff00ff00ff00ff;
        word = (word | word << 4) & 0x0f0f0f0f0f0f0f0f;
        const std::uint64_t letters = (word + ones * 6) >> 4 & ones;  // of digits from 10 on
        word += ones * '0' + letters * ('a' - '0' - 10);
        if constexpr (std::endian::native == std::endian::little)
            word = std::byteswap(word);  // highest first
        std::memcpy(into, &word, sizeof word);
        into += sizeof word;
    }
}

// As it came, with its protocol.
std::string_view first_line(const request_head& request, std::string_view head) noexcept {
    constexpr std::string_view version = " HTTP/1.1";
    const std::size_t begin = request.method_name.offset;  // behind empty lines
    const std::size_t end = request.target.offset + request.target.length + version.size();
    const bool is_there = end + 2 <= head.size() && head[end] == '\r' && head[end + 1] == '\n';
    return head.substr(begin, (is_there ? end : head.find("\r\n", begin)) - begin);
}

bool is_id(std::string_view text) noexcept {
    if (text.empty() || text.size() > limits::request_id_bytes) return false;
    return std::ranges::all_of(text, [](char each) {
        return (each >= '0' && each <= '9') || (each >= 'a' && each <= 'z') || (each >= 'A' && each <= 'Z') ||
               std::string_view("-._~+/=:").contains(each);
    });
}

}  // namespace

// ---------------------------------------------------------------------------------------- one answer

/// The answer to the request in hand is about to be written: `bytes` of body, if it is whole at once. Before
/// its head is.
void connection::log(unsigned status, std::uint64_t bytes, std::string_view reason) noexcept {
    turn& x = *turn_;
    worker& home = worker_;
    answer_facts known;
    known.began = x.is_asked ? x.began : home.loop_.now();
    known.from = is_stream_ ? x.sent : phase_ == phase::sending ? x.queued : x.sent + x.filled;
    known.body = bytes;
    known.status = static_cast<std::uint16_t>(status);
    if (const route* const by = route_in_hand()) known.route = x.serves->counted_as[by->number];
    known.minor_version = x.parser.head().minor_version;
    if (x.last_record == nullptr || home.log_.is_on() || !x.last_record->joins(known))
        make_record(known, reason);
    x.is_asked = false;
    home.unreadable_ = {};
    home.refuses_ = false;
}

void connection::make_record(const answer_facts& known, std::string_view reason) noexcept {
    turn& x = *turn_;
    const bool logged = worker_.log_.is_on();
    answer_record* const made = worker_.records_.take();
    if (made == nullptr) {
        if (log_place* const there = logged ? log_of_request() : nullptr) there->to->lose();
        return;
    }
    static_cast<answer_facts&>(*made) = known;
    if (x.last_record != nullptr) {
        if (x.last_record->to == answer_record::unknown) x.last_record->to = known.from;
        x.last_record->next = made;
    } else {
        x.records = made;
    }
    x.last_record = made;
    if (logged) log_request(*made, reason);
}

/// The same for one in pieces.
void connection::log_pieces(unsigned status, std::size_t head_bytes) noexcept {
    const answer_record* const before = turn_->last_record;
    log(status, no_body_yet);
    if (turn_->last_record == before) return;
    turn_->last_record->body = 0;
    turn_->last_record->head = head_bytes;
    turn_->last_record->in_pieces = true;
}

void connection::log_request(answer_record& into, std::string_view reason) noexcept {
    turn& x = *turn_;
    const request_head& request = x.parser.head();
    access_entry entry;
    log_place* const there = log_of_request();
    if (there == nullptr) return;
    entry.host = worker_.log_.client_of(socket());
    if (entry.host.empty() && !worker_.log_.knows(socket())) {  // it came when there was no log
        worker_.name_client(socket(), worker_.client_of(*this).where);
        entry.host = worker_.log_.client_of(socket());
    }
    std::string said_host;
    if (worker_.options_.trusted_proxies != nullptr) said_host = client_host();
    if (!said_host.empty()) entry.host = said_host;  // a peer that has gone has been named when it came
    entry.unix_seconds = worker_.unix_seconds();
    entry.refused = worker_.refuses_ || x.head.empty();
    entry.reason = reason;
    if (x.head.empty()) {  // it was refused: what is known of it may point nowhere
        const std::string_view seen = worker_.unreadable_.substr(0, limits::unreadable_bytes);
        const std::size_t begin = std::min(seen.find_first_not_of("\r\n"), seen.size());
        entry.request_line =
            seen.substr(begin, std::min(seen.find_first_of("\r\n", begin), seen.size()) - begin);
    } else {
        entry.request_line = first_line(request, x.head);
        entry.referer = request.value(field::referer, x.head);
        entry.user_agent = request.value(field::user_agent, x.head);
        entry.asked_host = request.value(field::host, x.head);
    }
    if (is_stream_ && entry.request_line.contains('/')) {
        entry.request_line = entry.request_line.substr(0, entry.request_line.rfind('/'));
        entry.request_line_end = "/2.0";
    }
    if (there->as == log_format::json) {
        entry.milliseconds = worker_.milliseconds();
        entry.id = request_id();
        entry.tls = tls_version();
        if (const auto* const by_proxy = worker_.proxied(*this)) {
            if (entry.tls.empty()) entry.tls = by_proxy->tls_version;
            entry.connection = by_proxy->unique_id;
        }
        if (const route* const by = route_in_hand()) entry.route = by->pattern;
    }
    worker_.log_.begin(*there, entry, into);
}

/// Where the request's line goes: what its host wants. nullptr: nowhere.
log_place* connection::log_of_request() noexcept {
    const served_site& by = *turn_->serves;
    if (by.logs.empty()) return worker_.log_.own();
    if (const route* const found = route_in_hand()) return by.log_of_route[found->number];
    if (turn_->head.empty()) return by.log_of(*by.site);
    return by.log_of(by.site->for_host(exchange(*this).authority()));
}

/// Who a trusted proxy says that this request is of, else the connection's peer. Empty without memory.
std::string connection::client_host() const noexcept try {
    const auto client = forwarded().client;
    return client ? client->host_text() : std::string();
} catch (const std::bad_alloc&) {
    return {};
}

/// The client has left, or is made to, and there is no answer yet.
void connection::log_unanswered() noexcept {
    turn& x = *turn_;
    if (!x.is_asked) return;
    note_queued();
    log(client_closed, 0);
}

/// What waits is to be sent: now it is known where the last answer ends.
void connection::note_queued() noexcept {
    turn& x = *turn_;
    if (phase_ == phase::sending) return;
    x.queued = x.sent + x.filled;
    for (std::uint32_t each = 0; each < x.piece_count; ++each)
        x.queued += x.pieces[each].size;
    if (x.last_record != nullptr && !x.last_record->in_pieces) x.last_record->to = x.queued;
}

const route* connection::route_in_hand() const noexcept {
    const turn& x = *turn_;
    if (!x.is_asked) return nullptr;
    if (x.calls != nullptr) return x.calls->x.route_;
    return x.speaks != nullptr ? x.speaks->route_ : x.mounted;
}

/// A coroutine handler has run until it waits, or ended.
void connection::note_step_of(const call& at_work) noexcept {
    const route* const by = at_work.x.route_;
    worker_.note_step(by != nullptr ? turn_->serves->counted_as[by->number] : std::uint16_t{0});
}

/// `all_went`: what was queued has been taken. One in pieces goes on until its last piece.
void connection::end_records(bool all_went) noexcept {
    turn& x = *turn_;
    if (x.records == nullptr) return;
    const instant now = worker_.note_step(x.records->route);
    while (answer_record* const first = x.records) {
        const bool goes_on = all_went && first->in_pieces && first == x.last_record && x.calls != nullptr &&
                             (!x.calls->is_whole() || x.calls->write_waits);
        if (goes_on) return;
        x.records = first->next;
        if (x.records == nullptr) x.last_record = nullptr;
        end_record(*first, all_went, now);
        if (all_went && x.then && x.records == nullptr && first->log != nullptr) {
            x.upgraded = first;  // its line is written at the end of what it has begun
        } else {
            worker_.records_.give_back(*first);
        }
    }
}

void connection::end_record(answer_record& ended, bool all_went, instant now) noexcept {
    turn& x = *turn_;
    worker& home = worker_;
    const auto took = std::chrono::duration_cast<std::chrono::microseconds>(now - ended.began);
    const unsigned version = is_stream_ ? 2 : ended.minor_version;
    const bool logged = ended.log != nullptr;
    if (all_went && !logged)
        return home.counts_.count(ended.status, ended.route, took, version, 0, ended.answers);
    const std::uint64_t to = ended.to != answer_record::unknown ? ended.to : std::max(x.queued, x.sent);
    const bool may_be_whole = !is_stream_ && !ended.in_pieces && ended.status != client_closed;
    if (ended.answers > 1 && !all_went) {  // there is no log
        const std::uint32_t gone = may_be_whole ? ended.whole_at(x.sent, to) : 0;
        return home.counts_.count(ended.status, ended.route, took, version, ended.answers - gone,
                                  ended.answers);
    }
    const bool whole = all_went || (may_be_whole && x.sent >= to);
    const std::uint64_t sent = std::min(x.sent, std::max(to, ended.from)) - std::min(x.sent, ended.from);
    std::uint64_t head = 0;  // of a stream it is no part of what is counted
    if (!is_stream_) head = ended.in_pieces ? ended.head : to - std::min(to, ended.from + ended.body);
    home.counts_.count(ended.status, ended.route, took, version, whole ? 0 : 1);
    if (!logged) return;
    if (all_went && x.then && x.records == nullptr) {
        ended.head = is_stream_ ? 0 : sent;
        return;
    }
    access_entry entry;
    entry.status = ended.status;
    entry.bytes = whole && !ended.in_pieces ? ended.body : sent - std::min(sent, head);
    entry.sent = sent;
    entry.microseconds = took.count();
    if (!whole)
        entry.cut = x.cut_by != 0    ? describe(static_cast<shed_reason>(x.cut_by - 1))
                    : home.ends_all_ ? std::string_view("the server ended")
                                     : std::string_view("the client left");
    home.log_.end(entry, ended);
}

/// What the client has called its request, if that is fit to be told on; else one of ours.
std::string_view connection::request_id() noexcept {
    turn& x = *turn_;
    if (!x.head.empty()) {
        const std::string_view given = x.parser.head().value(field::x_request_id, x.head);
        if (is_id(given)) return given;
    }
    if (!std::exchange(x.has_id, true)) worker_.make_id(x.made_id);
    return {x.made_id.data(), x.made_id.size()};
}

std::string_view exchange::request_id() const noexcept { return link_->request_id(); }

// ---------------------------------------------------------------------------------------- a worker's

void worker::keep_unreadable(std::string_view text) noexcept {
    const std::size_t size = std::min(text.size(), unreadable_text_.size());
    std::memcpy(unreadable_text_.data(), text.data(), size);
    unreadable_ = {unreadable_text_.data(), size};
}

// No two of a worker are the same, and which comes next cannot be seen at a glance.
void worker::make_id(std::array<char, 32>& into) noexcept {
    std::uint64_t mixed = id_prefix_ + ++next_id_ * 0x9e3779b97f4a7c15u;
    mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9u;
    mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111ebu;
    mixed ^= mixed >> 31;
    if (id_prefix_text_[0] == '\0') put_digits(id_prefix_text_.data(), id_prefix_);
    std::memcpy(into.data(), id_prefix_text_.data(), id_prefix_text_.size());
    put_digits(into.data() + 16, mixed);
}

void worker::name_client(handle of, const std::optional<address>& who) noexcept try {
    log_.name_client(of, who ? who->host_text() : std::string());
} catch (const std::bad_alloc&) {  // the lines say "-"
}

// What a loop's thread has done since this was called last, or its tick began, was for this route.
instant worker::note_step(std::uint16_t route) noexcept {
    const instant now = clock::now();
    if (loop_.now() != tick_) {
        tick_ = step_begun_ = loop_.now();
        longest_in_tick_ = duration(0);
    }
    if (now - step_begun_ > longest_in_tick_) {
        longest_in_tick_ = now - step_begun_;
        route_of_longest_ = route;
    }
    step_begun_ = now;
    if (now - tick_ > longest_tick_) {
        longest_tick_ = now - tick_;
        route_of_tick_ = route_of_longest_;
    }
    return now;
}

unsigned worker::milliseconds() noexcept {
    (void)unix_seconds();
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(second_ends_ - loop_.now());
    return 999 - static_cast<unsigned>(std::clamp<std::int64_t>(left.count(), 0, 999));
}

}  // namespace naru::http
