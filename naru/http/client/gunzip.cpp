#include <naru/http/client/gunzip.hpp>

#include <zlib.h>

#include <algorithm>
#include <limits>
#include <new>

namespace naru::http {

namespace {

constexpr int gzip_only = 15 + 16;  // window bits: zlib's way to say it

}  // namespace

struct gunzip::state {
    z_stream stream{};
    bool member_ended = false;
    bool initialised = false;

    state() = default;
    state(const state&) = delete;
    state& operator=(const state&) = delete;
    ~state() {
        if (initialised) inflateEnd(&stream);
    }
};

bool gunzip::available() noexcept { return true; }

gunzip::gunzip() noexcept = default;
gunzip::gunzip(gunzip&&) noexcept = default;
gunzip& gunzip::operator=(gunzip&&) noexcept = default;
gunzip::~gunzip() = default;

bool gunzip::begin() noexcept {
    state_.reset(new (std::nothrow) state);
    if (state_ == nullptr) return false;
    state_->initialised = inflateInit2(&state_->stream, gzip_only) == Z_OK;
    if (!state_->initialised) state_.reset();
    return begun();
}

gunzip::outcome gunzip::decode(std::string_view& input, std::span<char> into, std::size_t& made) noexcept {
    made = 0;
    z_stream& stream = state_->stream;
    while (made < into.size()) {
        if (state_->member_ended) {
            if (input.empty()) break;
            if (inflateReset(&stream) != Z_OK) return outcome::bad;
            state_->member_ended = false;
        }
        constexpr std::size_t most = std::numeric_limits<uInt>::max();
        const auto given = static_cast<uInt>(std::min(input.size(), most));
        const auto room = static_cast<uInt>(std::min(into.size() - made, most));
        // zlib writes nothing there, whatever its type says.
        stream.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(input.data()));
        stream.avail_in = given;
        stream.next_out = reinterpret_cast<Bytef*>(into.data() + made);
        stream.avail_out = room;
        const int told = inflate(&stream, Z_NO_FLUSH);
        input.remove_prefix(given - stream.avail_in);
        made += room - stream.avail_out;
        if (told == Z_STREAM_END) {
            state_->member_ended = true;
        } else if (told == Z_BUF_ERROR) {
            break;  // it can do nothing without more input
        } else if (told == Z_MEM_ERROR) {
            return outcome::no_memory;
        } else if (told != Z_OK) {
            return outcome::bad;
        }
        if (input.empty() && stream.avail_out != 0 && told == Z_OK) break;
    }
    return outcome::more;
}

bool gunzip::at_end() const noexcept { return state_->member_ended; }

}  // namespace naru::http
