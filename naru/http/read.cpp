// Read: bytes in, requests out. A buffer is held only while there is something in it.
#include <naru/http/limits.hpp>
#include <naru/http/worker.hpp>

#include <cstdlib>
#include <cstring>
#include <new>

namespace naru::http {

struct connection::set_aside {
    std::uint32_t size;
    char* bytes() noexcept { return reinterpret_cast<char*>(this + 1); }
};

void connection::set_deadline(std::chrono::milliseconds after) noexcept {
    worker_.loop_.arm(*this, saturating_add(worker_.loop_.now(), after));
}

void connection::receive() noexcept {
    kind = operation_kind::recv;
    worker_.loop_.submit(*this);
}

void connection::received(operation& op) noexcept { static_cast<connection&>(op).on_received(); }

void connection::on_received() noexcept {
    if (phase_ == phase::closing) {
        if (result > 0) worker_.loop_.buffers().release(data);
        finish_if_quiet();
        return;
    }
    if (result > 0) {
        const auto size = static_cast<std::size_t>(result);
        if (phase_ == phase::lingering) {
            worker_.loop_.buffers().release(data);
            lingered_ += size;
            if (lingered_ > limits::linger_bytes) return close();
            return receive();
        }
        timed_out_ = false;  // it came in time after all
        if (!take_input(data, size)) return close();
        process();
        return;
    }
    if (timed_out_ && (phase_ == phase::head || phase_ == phase::body)) {
        if (is_aside_ && !take_back()) return close();
        exchange_->reading_body = false;
        keep_alive_ = false;
        dirty_close_ = true;
        if (answer_status(408, "The request took too long.") == next_step::flush) flush();
        return;
    }
    close();  // the peer's end, an error, or a deadline between requests
}

// Received bytes become the exchange's input: in their own buffer, behind what was set aside, or behind what
// is there already. False, and they are gone, without the memory for an exchange.
bool connection::take_input(std::byte* bytes, std::size_t size) noexcept {
    if (!has_exchange_) {
        std::uint32_t before = 0;
        set_aside* aside = nullptr;
        if (is_aside_) {
            aside = std::exchange(aside_, nullptr);
            is_aside_ = false;
            before = aside->size;
        }
        if (!make_exchange()) {
            std::free(aside);
            worker_.loop_.buffers().release(bytes);
            return false;
        }
        std::byte* const first = worker_.loop_.buffers().begin_of(bytes);
        const std::size_t room = naru::limits::buffer_bytes - before;
        const std::size_t taken = std::min(size, room);
        if (before > 0) {
            try {
                exchange_->surplus.assign(reinterpret_cast<const char*>(bytes) + taken, size - taken);
            } catch (const std::bad_alloc&) {
                std::free(aside);
                worker_.loop_.buffers().release(bytes);
                return false;
            }
            std::memmove(first + before, bytes, taken);
            std::memcpy(first, aside->bytes(), before);
            std::free(aside);
            bytes = first;
        }
        exchange_->input = first;
        exchange_->begin = static_cast<std::uint32_t>(bytes - first);
        exchange_->end = exchange_->begin + before + static_cast<std::uint32_t>(taken);
        return true;
    }
    // The rest of a body: its beginning, if any, has been used up.
    exchange& x = *exchange_;
    if (x.input != nullptr) worker_.loop_.buffers().release(x.input);
    x.input = worker_.loop_.buffers().begin_of(bytes);
    x.begin = static_cast<std::uint32_t>(bytes - x.input);
    x.end = x.begin + static_cast<std::uint32_t>(size);
    return true;
}

bool connection::make_exchange() noexcept {
    try {
        exchange_ = &worker_.exchanges_.make(*this);
    } catch (const std::bad_alloc&) {
        return false;
    }
    has_exchange_ = true;
    return true;
}

/// Makes room in the input for what did not fit before. Moves what is there: no head may be in use.
bool connection::refill() noexcept {
    exchange& x = *exchange_;
    const std::string_view left = unread();
    const std::size_t taken = std::min(x.surplus.size(), naru::limits::buffer_bytes - left.size());
    if (taken == 0) return false;
    std::memmove(x.input, left.data(), left.size());
    std::memcpy(x.input + left.size(), x.surplus.data(), taken);
    x.surplus.erase(0, taken);
    x.begin = 0;
    x.end = static_cast<std::uint32_t>(left.size() + taken);
    return true;
}

/// The head of the request whose body is being read moves out of the way of what arrives. False without the
/// memory for it.
bool connection::keep_head() noexcept {
    exchange& x = *exchange_;
    if (!x.kept_head.empty()) return true;
    try {
        x.kept_head = x.head;
    } catch (const std::bad_alloc&) {
        return false;
    }
    x.head = x.kept_head;
    return true;
}

// Answers one request after another, into one output, until the input is used up, the output is full, or an
// answer has to wait.
void connection::process() noexcept {
    for (unsigned answered = 0; answered < limits::pipelined_per_turn; ++answered) {
        if (phase_ == phase::body) {
            if (!read_body()) return;
        } else if (!begin_request()) {
            return;
        }
        if (phase_ == phase::body) continue;
        const next_step then = handle();
        if (then == next_step::wait) return;
        exchange_->kept_head.clear();
        if (then == next_step::flush || !keep_alive_) return flush();
    }
    flush();
}

// True when a whole head is there and its body, if it has one, is to be read next (phase body) or not at all.
bool connection::begin_request() noexcept {
    exchange& x = *exchange_;
    if (unread().empty()) (void)refill();
    const std::string_view bytes = unread();
    if (bytes.empty()) {
        if (x.filled > 0) {
            flush();
        } else {
            release_exchange();
            phase_ = phase::idle;
            set_deadline(worker_.options_.timeouts.keep_alive);
            receive();
        }
        return false;
    }
    // Room for the longest head of an answer: what is in the output is sent first if there is not enough.
    if (!output_room(bytes.size() > limits::request_line_bytes ? limits::output_bytes
                                                               : 2048 + bytes.size())) {
        flush();
        return false;
    }
    x.parser.reset();
    const parse_status status = x.parser.parse(bytes);
    if (status == parse_status::need_more) {
        if (refill()) return begin_request();
        if (x.filled > 0) {
            flush();  // the answers first; the rest is looked at again when they are sent
        } else {
            put_aside();
        }
        return false;
    }
    if (status == parse_status::refused) {
        keep_alive_ = false;
        dirty_close_ = true;
        x.head = {};
        (void)refuse(x.parser.refusal());
        flush();
        return false;
    }
    const request_head& request = x.parser.head();
    x.head = bytes.substr(0, request.size);
    x.begin += request.size;
    keep_alive_ = request.keep_alive && !worker_.draining_;
    if (!request.has_body()) {
        phase_ = phase::handling;
        return true;
    }
    if (request.content_length > limits::body_bytes) {
        keep_alive_ = false;
        dirty_close_ = true;
        (void)refuse({413, "the body is too large"});
        flush();
        return false;
    }
    const bool served =
        request.method == method::get || request.method == method::head || request.method == method::options;
    if (request.expects_continue && !served) {
        // The final answer instead of 100: the client may or may not send its body now, so the connection
        // ends.
        keep_alive_ = false;
        dirty_close_ = true;
        phase_ = phase::handling;
        return true;
    }
    x.body.begin(request);
    x.reading_body = true;
    phase_ = phase::body;
    if (request.expects_continue && unread().empty()) append("HTTP/1.1 100 Continue\r\n\r\n");
    return true;
}

// True when the body has been read and dropped to its end.
bool connection::read_body() noexcept {
    exchange& x = *exchange_;
    std::string_view input = unread();
    parse_status status = parse_status::need_more;
    do {
        std::string_view piece;
        status = x.body.read(input, piece);
    } while (status == parse_status::need_more && !input.empty());
    x.begin = x.end - static_cast<std::uint32_t>(input.size());
    if (status == parse_status::refused || x.body.bytes_read() > limits::body_bytes) {
        x.reading_body = false;
        keep_alive_ = false;
        dirty_close_ = true;
        (void)refuse(status == parse_status::refused ? x.body.refusal()
                                                     : refusal{413, "the body is too large"});
        flush();
        return false;
    }
    if (status == parse_status::complete) {
        x.reading_body = false;
        phase_ = phase::handling;
        return true;
    }
    if (!x.surplus.empty()) {
        if (!keep_head()) {
            close();
            return false;
        }
        (void)refill();
        return read_body();
    }
    if (x.filled > 0) {  // earlier answers, or 100 Continue, go out before more is waited for
        flush();
        return false;
    }
    wait_for_more();
    return false;
}

// More of a body is to come: its head moves out of the way of what arrives.
void connection::wait_for_more() noexcept {
    exchange& x = *exchange_;
    if (!keep_head()) return close();
    if (x.input != nullptr) {
        worker_.loop_.buffers().release(x.input);
        x.input = nullptr;
        x.begin = x.end = 0;
    }
    set_deadline(worker_.options_.timeouts.body);
    receive();
}

// Part of a head: it is copied into as little memory as it needs, and the buffer goes back. A client that
// sends its head a byte at a time costs us what it has sent. The next look begins at its first byte again:
// at most one buffer's length, less than a microsecond for most heads.
void connection::put_aside() noexcept {
    exchange& x = *exchange_;
    const std::string_view rest = unread();
    auto* aside = static_cast<set_aside*>(std::malloc(sizeof(set_aside) + rest.size()));
    if (aside == nullptr) return close();
    aside->size = static_cast<std::uint32_t>(rest.size());
    std::memcpy(aside->bytes(), rest.data(), rest.size());
    x.begin = x.end;
    release_exchange();
    aside_ = aside;
    is_aside_ = true;
    if (phase_ != phase::head) {
        phase_ = phase::head;
        set_deadline(worker_.options_.timeouts.head);
    } else if (!armed()) {
        set_deadline({});  // it has passed, but what had been received by then came before the cancel
    }
    receive();
}

// A request that timed out gets an answer, so it needs an exchange again; its bytes do not matter any more.
bool connection::take_back() noexcept {
    set_aside* const aside = std::exchange(aside_, nullptr);
    is_aside_ = false;  // exchange_ is in the same place
    const bool made = make_exchange();
    std::free(aside);
    return made;
}

void connection::deadline_passed(timer& expired) noexcept { static_cast<connection&>(expired).on_deadline(); }

void connection::on_deadline() noexcept {
    switch (phase_) {
        case phase::idle:
        case phase::head:
        case phase::body:
            timed_out_ = true;
            worker_.loop_.cancel(*this);
            return;
        case phase::sending: {
            // The client may be slow as long as it takes something.
            const std::uint64_t moved = exchange_->sending.progress + exchange_->sending_file.progress;
            if (moved != exchange_->progress_seen) {
                exchange_->progress_seen = moved;
                return set_deadline(worker_.options_.timeouts.write);
            }
            reset_on_close(worker_.loop_.borrow(target).get());
            return close();
        }
        case phase::lingering:
            return close();
        case phase::handling:
            return leave_disk();
        case phase::closing:
            return;
    }
}

}  // namespace naru::http
