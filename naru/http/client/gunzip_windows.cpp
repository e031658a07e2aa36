// The Windows build has no zlib: the client does not ask for gzip there, and gives bodies as they come.
#include <naru/http/client/gunzip.hpp>

namespace naru::http {

struct gunzip::state {};

bool gunzip::available() noexcept { return false; }

gunzip::gunzip() noexcept = default;
gunzip::gunzip(gunzip&&) noexcept = default;
gunzip& gunzip::operator=(gunzip&&) noexcept = default;
gunzip::~gunzip() = default;

bool gunzip::begin() noexcept { return false; }
gunzip::outcome gunzip::decode(std::string_view& /*input*/, std::span<char> /*into*/,
                               std::size_t& made) noexcept {
    made = 0;
    return outcome::bad;
}
bool gunzip::at_end() const noexcept { return false; }

}  // namespace naru::http
