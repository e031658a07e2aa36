// nghttp2's side of a session.
#pragma once

struct nghttp2_session;

namespace naru::http::h2 {

class session;

/// A server's session that calls `owner`. Throws std::bad_alloc.
nghttp2_session* make_nghttp2_session(session& owner);

}  // namespace naru::http::h2
