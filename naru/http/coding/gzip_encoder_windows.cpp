// The Windows build has no zlib: nothing is encoded as gzip there.
#include <naru/http/coding/encoders.hpp>

namespace naru::http::detail {

const bool has_gzip = false;
std::unique_ptr<encoder> make_gzip_encoder() noexcept { return nullptr; }

}  // namespace naru::http::detail
