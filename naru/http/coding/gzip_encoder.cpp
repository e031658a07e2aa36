#include <naru/http/coding/encoders.hpp>

#include <zlib.h>

#include <algorithm>
#include <limits>
#include <new>

namespace naru::http {

namespace {

constexpr int gzip_window = 15 + 16;  // 32 KiB; zlib's way to say gzip
constexpr int memory_level = 8;       // with that window 256 KiB

class gzip_encoder final : public encoder {
 public:
    gzip_encoder() noexcept : encoder(coding::gzip) {}
    gzip_encoder(const gzip_encoder&) = delete;
    gzip_encoder& operator=(const gzip_encoder&) = delete;
    ~gzip_encoder() override {
        if (made_) (void)deflateEnd(&stream_);
    }

    bool begin(int level) noexcept override {
        if (made_ && level == level_) return deflateReset(&stream_) == Z_OK;
        if (made_) (void)deflateEnd(&stream_);
        stream_ = {};
        level_ = level;
        made_ = deflateInit2(&stream_, std::clamp(level, 1, 9), Z_DEFLATED, gzip_window, memory_level,
                             Z_DEFAULT_STRATEGY) == Z_OK;
        return made_;
    }

    outcome encode(std::string_view& input, std::span<char> into, std::size_t& made,
                   until how) noexcept override {
        constexpr std::size_t most = std::numeric_limits<uInt>::max();
        made = 0;
        while (true) {
            const auto given = static_cast<uInt>(std::min(input.size(), most));
            const auto room = static_cast<uInt>(std::min(into.size() - made, most));
            // zlib writes nothing there, whatever its type says.
            stream_.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(input.data()));
            stream_.avail_in = given;
            stream_.next_out = reinterpret_cast<Bytef*>(into.data() + made);
            stream_.avail_out = room;
            const bool is_rest = given == input.size();
            const int wanted = !is_rest || how == until::more ? Z_NO_FLUSH
                               : how == until::flush          ? Z_SYNC_FLUSH
                                                              : Z_FINISH;
            const int told = deflate(&stream_, wanted);
            if (told == Z_STREAM_ERROR) return outcome::failed;
            input.remove_prefix(given - stream_.avail_in);
            made += room - stream_.avail_out;
            if (told == Z_STREAM_END) return outcome::done;
            if (stream_.avail_out == 0) return outcome::full;
            if (input.empty() && how != until::end) return outcome::done;
        }
    }

 private:
    z_stream stream_{};
    int level_ = 0;
    bool made_ = false;
};

}  // namespace

const bool detail::has_gzip = true;

std::unique_ptr<encoder> detail::make_gzip_encoder() noexcept {
    return std::unique_ptr<encoder>(new (std::nothrow) gzip_encoder);
}

}  // namespace naru::http
