// That each stream is one. Here, because the answer takes a compiler longer than any of their headers, and
// every file that includes them would ask.
#include <naru/stream/any_stream.hpp>
#include <naru/stream/byte_stream.hpp>
#include <naru/stream/pipe_stream.hpp>
#include <naru/stream/standard_stream.hpp>
#include <naru/stream/tcp_stream.hpp>
#include <naru/stream/unix_stream.hpp>

namespace naru {

static_assert(byte_stream<any_stream>);
static_assert(byte_stream<pipe_stream>);
static_assert(byte_stream<standard_stream>);
static_assert(byte_stream<tcp_stream>);
static_assert(byte_stream<unix_stream>);

}  // namespace naru
