// The encoders of this build, each in a source of its own that includes its library.
#pragma once

#include <naru/http/coding/encoder.hpp>

#include <memory>

namespace naru::http::detail {

extern const bool has_gzip;
extern const bool has_brotli;
extern const bool has_zstd;

// nullptr without the memory, or where has_... is false.
std::unique_ptr<encoder> make_gzip_encoder() noexcept;
std::unique_ptr<encoder> make_brotli_encoder() noexcept;
std::unique_ptr<encoder> make_zstd_encoder() noexcept;

}  // namespace naru::http::detail
