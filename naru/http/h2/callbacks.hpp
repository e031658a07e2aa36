// nghttp2's side of a session.
#pragma once

struct nghttp2_session;

namespace naru::http::h2 {

class session;
struct session_memory;

/// A server's session that calls `owner`; `memory` outlives it. Throws std::bad_alloc.
nghttp2_session* make_nghttp2_session(session& owner, session_memory& memory);

}  // namespace naru::http::h2
