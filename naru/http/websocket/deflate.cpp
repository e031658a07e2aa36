#include <naru/http/websocket/deflate.hpp>

#include <zlib.h>

#include <algorithm>
#include <array>
#include <limits>
#include <new>
#include <utility>

namespace naru::websocket {
namespace {

// What a sender leaves off each message: an empty block without compression (RFC 7692, section 7.2.1).
constexpr std::array<std::byte, 4> tail{std::byte{0}, std::byte{0}, std::byte{0xff}, std::byte{0xff}};

uInt one_go(std::size_t bytes) noexcept {
    return static_cast<uInt>(std::min<std::size_t>(bytes, std::numeric_limits<uInt>::max()));
}

/// zlib does not write through it.
Bytef* bytes_for_zlib(const std::byte* bytes) noexcept {
    return const_cast<Bytef*>(reinterpret_cast<const Bytef*>(bytes));
}

}  // namespace

bool deflate_available() noexcept { return true; }

struct deflater::context {
    z_stream stream{};
    int window_bits = 0;
    int level = 0;
    bool made = false;

    context() noexcept = default;
    context(const context&) = delete;
    context& operator=(const context&) = delete;
    ~context() {
        if (made) (void)deflateEnd(&stream);
    }
    bool prepare(int bits, int at_level) noexcept {
        if (made && bits == window_bits && at_level == level) return true;
        if (made) (void)deflateEnd(&stream);
        constexpr int memory_level = 8;
        made = deflateInit2(&stream, at_level, Z_DEFLATED, -bits, memory_level, Z_DEFAULT_STRATEGY) == Z_OK;
        window_bits = bits;
        level = at_level;
        return made;
    }
    /// Of this thread, for connections without takeover: a message is compressed within one call.
    static context& shared() noexcept {
        static thread_local context one;
        return one;
    }
};

deflater::deflater(int window_bits, bool context_takeover, int level) noexcept
    : window_bits_(static_cast<std::int8_t>(window_bits)),
      level_(static_cast<std::int8_t>(level)),
      takeover_(context_takeover) {}
deflater::~deflater() { delete context_; }
deflater::deflater(deflater&& other) noexcept
    : context_(std::exchange(other.context_, nullptr)),
      window_bits_(other.window_bits_),
      level_(other.level_),
      takeover_(other.takeover_) {}

bool deflater::compress(bytes_view message, buffer& into) noexcept {
    if (message.empty()) {  // a second flush would write nothing (section 7.2.3.6)
        constexpr std::byte nothing{0};
        return into.append({&nothing, 1});
    }
    if (takeover_ && context_ == nullptr) context_ = new (std::nothrow) context;
    context* const with = takeover_ ? context_ : &context::shared();
    if (with == nullptr || !with->prepare(window_bits_, level_)) return false;
    z_stream& stream = with->stream;
    stream.next_in = bytes_for_zlib(message.data());
    std::size_t left = message.size();
    bool flushed = false;
    while (!flushed) {
        // A short message fits into its own length and a little more; what has no redundancy grows by less.
        const std::size_t expected = std::min<std::size_t>(left + 16, 16 * 1024);
        if (!into.make_room(expected, static_cast<std::size_t>(-1))) return false;
        const std::size_t given = one_go(left);
        stream.avail_in = static_cast<uInt>(given);
        const uInt room = one_go(into.room());
        stream.avail_out = room;
        stream.next_out = reinterpret_cast<Bytef*>(into.end());
        const bool last = given == left;
        if (deflate(&stream, last ? Z_SYNC_FLUSH : Z_NO_FLUSH) == Z_STREAM_ERROR) return false;
        into.grow(room - stream.avail_out);
        left -= given - stream.avail_in;
        flushed = last && left == 0 && stream.avail_out != 0;
    }
    into.grow(0 - tail.size());
    if (!takeover_) (void)deflateReset(&stream);
    return true;
}

struct inflater::context {
    z_stream stream{};
    bool made = false;
    bool at_block_boundary = true;

    context() noexcept = default;
    context(const context&) = delete;
    context& operator=(const context&) = delete;
    ~context() {
        if (made) (void)inflateEnd(&stream);
    }
};

inflater::inflater(int window_bits, bool context_takeover) noexcept
    : window_bits_(static_cast<std::int8_t>(std::max(window_bits, 9))), takeover_(context_takeover) {}
inflater::~inflater() { delete context_; }
inflater::inflater(inflater&& other) noexcept
    : context_(std::exchange(other.context_, nullptr)),
      window_bits_(other.window_bits_),
      tail_used_(other.tail_used_),
      takeover_(other.takeover_) {}

inflater::status inflater::inflate(bytes_view& input, buffer& into, std::size_t most) noexcept {
    if (context_ == nullptr) {
        context_ = new (std::nothrow) context;
        if (context_ == nullptr) return status::no_memory;
        context_->made = inflateInit2(&context_->stream, -window_bits_) == Z_OK;
        if (!context_->made) return status::no_memory;
    }
    return run(input, into, most);
}

inflater::status inflater::run(bytes_view& input, buffer& into, std::size_t most) noexcept {
    z_stream& stream = context_->stream;
    for (;;) {
        if (into.size() >= most) return status::full;
        const std::size_t wanted = std::clamp<std::size_t>(input.size() * 4, 512, 64 * 1024);
        if (!into.make_room(std::min(wanted, most - into.size()), most)) return status::no_memory;
        const uInt given = one_go(input.size());
        const uInt room = one_go(std::min(into.room(), most - into.size()));
        stream.next_in = bytes_for_zlib(input.data());
        stream.avail_in = given;
        stream.next_out = reinterpret_cast<Bytef*>(into.end());
        stream.avail_out = room;
        const int outcome = ::inflate(&stream, Z_SYNC_FLUSH);
        into.grow(room - stream.avail_out);
        input = input.subspan(given - stream.avail_in);
        if (outcome == Z_MEM_ERROR) return status::no_memory;
        if (outcome == Z_OK) context_->at_block_boundary = (stream.data_type & 128) != 0;
        if (outcome == Z_STREAM_END) {  // ends no message (section 7.2.3.4); the window stays
            (void)inflateResetKeep(&stream);
            context_->at_block_boundary = true;
        }
        if (outcome != Z_OK && outcome != Z_STREAM_END && outcome != Z_BUF_ERROR) return status::invalid;
        if (input.empty() && stream.avail_out != 0) return status::need_more;
        if (outcome == Z_BUF_ERROR && stream.avail_out != 0) return status::invalid;
    }
}

inflater::status inflater::finish(buffer& into, std::size_t most) noexcept {
    bytes_view rest = bytes_view(tail).subspan(tail_used_);
    const status outcome = inflate(rest, into, most);
    tail_used_ = static_cast<std::uint8_t>(tail.size() - rest.size());
    if (outcome != status::need_more) return outcome;
    const bool whole = context_->at_block_boundary;
    end_message();
    return whole ? status::need_more : status::invalid;
}

void inflater::end_message() noexcept {
    tail_used_ = 0;
    if (!takeover_) delete std::exchange(context_, nullptr);
}

}  // namespace naru::websocket
