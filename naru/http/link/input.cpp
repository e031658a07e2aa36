// Input: where what has been received lies until it is used, and what of it waits in as little memory as it
// needs.
#include <naru/http/exchange/call.hpp>
#include <naru/http/limits.hpp>
#include <naru/http/server/served_site.hpp>
#include <naru/http/server/worker.hpp>

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <new>
#include <type_traits>
#include <utility>

namespace naru::http {

// The beginning of a head, and how far it has been parsed: what arrives is put behind it and parsed from
// there on. In one block of the heap.
struct connection::set_aside {
    request_parser parser;
    std::uint32_t size;
    std::uint32_t room;
    char* bytes() noexcept { return reinterpret_cast<char*>(this + 1); }
    std::size_t cost() const noexcept { return sizeof *this + room; }
};

static_assert(std::is_trivially_copyable_v<request_parser>, "realloc moves it");

// Received bytes become the turn's input, in their own buffer. False, and they are gone, without the
// memory for a turn.
bool connection::take_input(std::byte* bytes, std::size_t size) noexcept {
    if (is_aside_) return take_whole_head(bytes, size);
    if (!has_turn_ && !make_turn()) {
        worker_.loop_.buffers().release(bytes);
        return false;
    }
    turn& x = *turn_;
    release_input();  // of a body: its beginning, if any, has been used up
    x.input = worker_.loop_.buffers().begin_of(bytes);
    x.begin = static_cast<std::uint32_t>(bytes - x.input);
    x.end = x.begin + static_cast<std::uint32_t>(size);
    worker_.holds_one_more();
    return true;
}

// A segment of a head: put behind what is there already, and parsed from there on. True while that is still
// not all of it; then the buffer has gone back. So a head costs as much time as it has bytes, in however many
// segments it comes.
bool connection::extend_head(std::byte* bytes, std::size_t size) noexcept {
    const std::size_t whole = aside_->size + size;
    if (whole >= limits::head_bytes) return false;
    if (whole > aside_->room) {
        const std::size_t room = std::min(std::bit_ceil(whole), limits::head_bytes);
        worker_.aside_bytes_ -= aside_->cost();
        void* const grown = std::realloc(static_cast<void*>(aside_), sizeof(set_aside) + room);
        if (grown == nullptr) {
            worker_.aside_bytes_ += aside_->cost();
            return false;  // it goes on in the buffer
        }
        aside_ = static_cast<set_aside*>(grown);
        aside_->room = static_cast<std::uint32_t>(room);
        worker_.add_aside(aside_->cost());
    }
    std::memcpy(aside_->bytes() + aside_->size, bytes, size);
    if (aside_->parser.parse({aside_->bytes(), whole}) != parse_status::need_more) return false;
    aside_->size = static_cast<std::uint32_t>(whole);
    worker_.loop_.buffers().release(bytes);
    // If the deadline has passed, what had been received by then came before the cancel.
    if (!armed()) set_deadline({});
    receive();
    return true;
}

// The rest of a head, or more than one: all of it into the buffer that came last. What does not fit, waits.
bool connection::take_whole_head(std::byte* bytes, std::size_t size) noexcept {
    const std::size_t before = aside_->size;
    const std::size_t taken = std::min(size, naru::limits::buffer_bytes - before);
    std::string surplus;
    turn* made = nullptr;
    try {
        surplus.assign(reinterpret_cast<const char*>(bytes) + taken, size - taken);
        made = &worker_.turns_.make(*this);
    } catch (const std::bad_alloc&) {
        worker_.loop_.buffers().release(bytes);
        return false;
    }
    std::byte* const first = worker_.loop_.buffers().begin_of(bytes);
    std::memmove(first + before, bytes, taken);
    std::memcpy(first, aside_->bytes(), before);
    drop_aside();
    turn_ = made;
    has_turn_ = true;
    made->serves = worker_.site_;
    ++worker_.site_->uses;
    made->surplus = std::move(surplus);
    made->input = first;
    made->end = static_cast<std::uint32_t>(before + taken);
    worker_.holds_one_more();
    charge();
    return true;
}

/// Makes room in the input for what did not fit before, in a buffer of its own if it has none. Moves what is
/// there: no head may be in use. False if there is nothing to move, no room, or no buffer.
bool connection::refill() noexcept {
    turn& x = *turn_;
    if (x.surplus.empty()) return false;
    if (x.input == nullptr) {
        x.input = worker_.loop_.buffers().acquire();
        if (x.input == nullptr) {
            x.lacks_buffer = true;
            return false;
        }
        worker_.holds_one_more();
    }
    const std::string_view left = unread();
    const std::size_t taken = std::min(x.surplus.size(), naru::limits::buffer_bytes - left.size());
    if (taken == 0) return false;
    std::memmove(x.input, left.data(), left.size());
    std::memcpy(x.input + left.size(), x.surplus.data(), taken);
    x.surplus.erase(0, taken);
    if (x.surplus.empty()) x.surplus.shrink_to_fit();
    x.begin = 0;
    x.end = static_cast<std::uint32_t>(left.size() + taken);
    charge();
    return true;
}

void connection::release_input() noexcept {
    turn& x = *turn_;
    if (x.input == nullptr) return;
    worker_.loop_.buffers().release(x.input);
    --worker_.held_;
    x.input = nullptr;
    x.begin = x.end = 0;
}

// Waiting behind something that takes long: the buffer goes back if what is in it is little.
void connection::park_input(std::size_t most) noexcept {
    turn& x = *turn_;
    if (x.input == nullptr) return;
    const std::string_view rest = unread();
    if (rest.size() + x.surplus.size() > most) return;
    if ((x.reading_body || phase_ == phase::handling) && !keep_head()) return;
    try {
        x.surplus.insert(0, rest);
    } catch (const std::bad_alloc&) {
        return;  // it stays where it is
    }
    release_input();
    charge();
}

/// The head of the request that is not answered yet moves out of the way of what arrives. False without the
/// memory for it.
bool connection::keep_head() noexcept {
    turn& x = *turn_;
    if (!x.kept_head.empty() || x.calls != nullptr) return true;
    try {
        x.kept_head = x.head;
    } catch (const std::bad_alloc&) {
        return false;
    }
    x.head = x.kept_head;
    charge();
    return true;
}

void connection::forget_kept_head() noexcept {
    turn& x = *turn_;
    x.head = {};
    if (is_stream_) worker_.keep_spare(x.kept_head);
    std::string().swap(x.kept_head);
    charge();
}

// Heap memory that the turn holds for its client, as the worker counts it.
void connection::charge() noexcept {
    turn& x = *turn_;
    const std::size_t head = x.calls != nullptr ? x.calls->kept_head.size() : x.kept_head.size();
    const std::size_t holds = head + x.surplus.size() + x.text.size();
    worker_.aside_bytes_ -= x.charged;
    x.charged = static_cast<std::uint32_t>(holds);
    worker_.add_aside(holds);
}

// Part of a head: it is copied into as little memory as it needs, and the buffer goes back. A client that
// sends its head a byte at a time costs us what it has sent.
void connection::put_aside() noexcept {
    turn& x = *turn_;
    const std::string_view rest = unread();
    void* const memory = std::malloc(sizeof(set_aside) + rest.size());
    if (memory == nullptr) return close();
    const auto size = static_cast<std::uint32_t>(rest.size());
    auto* const aside = new (memory) set_aside{.parser = x.parser, .size = size, .room = size};
    std::memcpy(aside->bytes(), rest.data(), rest.size());
    release_turn();
    aside_ = aside;
    is_aside_ = true;
    worker_.add_aside(aside->cost());
    if (phase_ != phase::head) {
        phase_ = phase::head;
        set_deadline(worker_.options_.timeouts.head);
    } else if (!armed()) {
        set_deadline({});
    }
    receive();
}

// Of a request that timed out its line in the log still shows the beginning.
std::string_view connection::text_aside() const noexcept { return {aside_->bytes(), aside_->size}; }

void connection::drop_aside() noexcept {
    if (!is_aside_) return;
    worker_.aside_bytes_ -= aside_->cost();
    std::free(static_cast<void*>(std::exchange(aside_, nullptr)));
    is_aside_ = false;
}

std::size_t connection::bytes_aside() const noexcept {
    if (is_multiplexed_) return session_->bytes_kept();
    return is_aside_ ? aside_->cost() : has_turn_ ? turn_->charged : 0;
}

}  // namespace naru::http
