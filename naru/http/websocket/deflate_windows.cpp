// Where the library is built without zlib: compression is never offered nor accepted.
#include <naru/http/websocket/deflate.hpp>

namespace naru::websocket {

bool deflate_available() noexcept { return false; }

deflater::deflater(int window_bits, bool context_takeover, int level) noexcept
    : window_bits_(static_cast<std::int8_t>(window_bits)),
      level_(static_cast<std::int8_t>(level)),
      takeover_(context_takeover) {}
deflater::~deflater() = default;
deflater::deflater(deflater&& other) noexcept = default;
bool deflater::compress(bytes_view /*message*/, buffer& /*into*/) noexcept { return false; }

inflater::inflater(int window_bits, bool context_takeover) noexcept
    : window_bits_(static_cast<std::int8_t>(window_bits)), takeover_(context_takeover) {}
inflater::~inflater() = default;
inflater::inflater(inflater&& other) noexcept = default;
inflater::status inflater::inflate(bytes_view& /*input*/, buffer& /*into*/, std::size_t /*most*/) noexcept {
    return status::invalid;
}
inflater::status inflater::finish(buffer& /*into*/, std::size_t /*most*/) noexcept { return status::invalid; }

}  // namespace naru::websocket
