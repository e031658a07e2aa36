// What a handler sees: one request, and the answer to it.
#pragma once

#include <naru/coro/request.hpp>
#include <naru/coro/task.hpp>
#include <naru/http/exchange/prepared.hpp>
#include <naru/http/exchange/running_upgrade.hpp>
#include <naru/http/exchange/upgraded_stream.hpp>
#include <naru/http/limits.hpp>
#include <naru/http/message/request.hpp>
#include <naru/os/address.hpp>
#include <naru/stream/any_stream.hpp>

#include <array>
#include <coroutine>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace naru {
class file;  // fs/file.hpp
class worker_pool;
}  // namespace naru

namespace naru::http {

class connection;
class exchange;
namespace h2 {
class stream;
}
enum class coding : std::uint8_t;
struct call;
class multipart_form;
struct encode_options;
struct route;

/// Who asks, and how.
struct connection_facts {
    std::optional<address> peer;  ///< the socket's; none in the UNIX domain, or if the system does not tell
    /// Who is behind it: see exchange::client.
    std::optional<address> client;
    unsigned minor_version = 1;  ///< of HTTP/1
    bool http2 = false;
    bool tls = false;
};

namespace detail {

/// Its address stands for a type.
template <class T>
inline constexpr char type_key = 0;

/// A coroutine that waits for what its exchange's connection does.
struct exchange_wait : stop_entry {
    exchange_wait(exchange& of, function on_stop_called) noexcept : stop_entry(on_stop_called), owner(of) {}
    void resume() noexcept {
        if (linked()) unlink();
        waiting.resume();  // the last touch
    }
    exchange& owner;
    std::coroutine_handle<> waiting;
    std::error_code error;
};

/// The pool for handlers that block, of the server that an exchange belongs to.
worker_pool& blocking_pool(const exchange& of) noexcept;

/// Something that middleware left, in a list.
struct left_value {
    left_value(const void* of_type, left_value* behind) noexcept : key(of_type), next(behind) {}
    virtual ~left_value() = default;
    const void* key;
    left_value* next;
};
template <class T>
struct left_value_of : left_value {
    using left_value::left_value;
    T value{};
};

}  // namespace detail

/// result<lease>: the next piece of a request's body, in a pool buffer. Errors: end_of_stream at the body's
/// end; EMSGSIZE past the route's limit (the answer will be 413), timed_out (408), ECONNRESET when the client
/// has gone before the body's end, EBADMSG when its chunks are malformed (400). Whatever a handler answers
/// after one of these, the client gets the status in parentheses, or nothing if it has left.
class [[nodiscard]] read_request : public naru::request<read_request> {
 public:
    explicit read_request(exchange& of) noexcept : of_(&of) {}

    class awaiter : public naru::detail::begins<awaiter>, private detail::exchange_wait {
     public:
        explicit awaiter(read_request&& of) noexcept;
        awaiter(const awaiter&) = delete;
        awaiter& operator=(const awaiter&) = delete;
        bool await_ready() noexcept;
        void begin(std::coroutine_handle<> who, stop_scope& in) noexcept;
        [[nodiscard]] result<lease> await_resume() noexcept;
    };

 private:
    exchange* of_;
};

/// result<void>: when the connection has taken what was written. One that is stopped or fails ends the
/// connection: part of it may have gone.
class [[nodiscard]] write_request : public naru::request<write_request> {
 public:
    enum class what : std::uint8_t { piece, file, end, interim };
    write_request(exchange& of, what kind, bytes_view bytes) noexcept
        : of_(&of), bytes_(bytes), kind_(kind) {}
    write_request(exchange& of, lent_descriptor file, std::uint64_t offset, std::uint64_t size) noexcept
        : of_(&of), offset_(offset), size_(size), file_(file), kind_(what::file) {}
    write_request(exchange& of, unsigned status) noexcept : of_(&of), size_(status), kind_(what::interim) {}

    class awaiter : public naru::detail::begins<awaiter>, private detail::exchange_wait {
     public:
        explicit awaiter(write_request&& of) noexcept;
        awaiter(const awaiter&) = delete;
        awaiter& operator=(const awaiter&) = delete;
        bool await_ready() noexcept;
        void begin(std::coroutine_handle<> who, stop_scope& in) noexcept;
        [[nodiscard]] result<void> await_resume() noexcept;

     private:
        friend class http::connection;
        bool encodes_nothing() noexcept;
        static bool closes_body(const call& of, what kind) noexcept;
        bytes_view bytes_;
        std::uint64_t offset_;
        std::uint64_t size_;
        lent_descriptor file_;
        what kind_;
    };

 private:
    exchange* of_;
    bytes_view bytes_;
    std::uint64_t offset_ = 0;
    std::uint64_t size_ = 0;
    lent_descriptor file_;
    what kind_;
};

/// result<any_stream>: the connection's bytes, when the answer has gone. Errors: EPROTOTYPE, and no answer
/// has been made, if the client did not ask for an upgrade to this protocol, or has sent a body; EINVAL if
/// there is an answer already; ECONNRESET when the client has gone. One that is stopped ends the connection,
/// unless the answer has gone by then.
class [[nodiscard]] upgrade_request : public naru::request<upgrade_request> {
 public:
    upgrade_request(exchange& of, std::string_view protocol) noexcept : of_(&of), protocol_(protocol) {}

    class awaiter : public naru::detail::begins<awaiter>, private detail::exchange_wait {
     public:
        explicit awaiter(upgrade_request&& of) noexcept;
        awaiter(const awaiter&) = delete;
        awaiter& operator=(const awaiter&) = delete;
        bool await_ready() noexcept;
        void begin(std::coroutine_handle<> who, stop_scope& in) noexcept;
        [[nodiscard]] result<any_stream> await_resume() noexcept;

     private:
        friend class http::connection;
        std::string_view protocol_;
        any_stream given_;
    };

 private:
    exchange* of_;
    std::string_view protocol_;
};

/// The fields of a request, in their order, repeated ones included.
class field_list {
 public:
    struct field_text {
        std::string_view name;
        std::string_view value;
    };
    explicit field_list(std::string_view head) noexcept : head_(head) {}

    class iterator {
     public:
        using value_type = field_text;
        using difference_type = std::ptrdiff_t;
        iterator() noexcept = default;
        explicit iterator(std::string_view lines) noexcept : left_(lines) { read(); }
        const field_text& operator*() const noexcept { return now_; }
        const field_text* operator->() const noexcept { return &now_; }
        iterator& operator++() noexcept {
            read();
            return *this;
        }
        void operator++(int) noexcept { read(); }
        bool operator==(std::default_sentinel_t) const noexcept { return ended_; }

     private:
        void read() noexcept;
        std::string_view left_;
        field_text now_;
        bool ended_ = false;
    };
    iterator begin() const noexcept;
    std::default_sentinel_t end() const noexcept { return {}; }

 private:
    std::string_view head_;
};

/// One request and its answer. Pinned; its loop's thread only. Views of the request last as long as the
/// exchange: for a function handler until it returns, for a coroutine handler until that has ended.
class exchange {
 public:
    exchange(const exchange&) = delete;
    exchange& operator=(const exchange&) = delete;

    http::method method() const noexcept;
    std::string_view method_name() const noexcept;
    /// Decoded and normalised, from its '/' on: all spellings of a path are the same.
    std::string_view path() const noexcept { return path_; }
    /// As it came.
    std::string_view raw_target() const noexcept;
    /// Behind the '?', as it came; empty if there is none.
    std::string_view query() const noexcept;
    /// The first value of that name in the query, decoded ('+' is a space). Allocates.
    std::optional<std::string> query_value(std::string_view name) const;
    /// The first cookie of that name (RFC 6265, section 5.4), as it came.
    std::optional<std::string_view> cookie(std::string_view name) const noexcept;
    /// Host and port that are asked for: of the target, else the Host field.
    std::string_view authority() const noexcept;
    /// The first field of that name, whatever its case.
    std::optional<std::string_view> field(std::string_view name) const noexcept;
    field_list fields() const noexcept;
    /// What stands for {name} in the route's pattern, decoded; empty if there is no such parameter.
    std::string_view param(std::string_view name) const noexcept;
    /// The route's pattern, as it was registered; empty where no route was found.
    std::string_view pattern() const noexcept;
    /// route_options::attached of the route that was found, or nullptr.
    const void* attached() const noexcept;
    /// Behind the mount's prefix, without a slash in front; for other routes the whole path, without it.
    std::string_view path_in_mount() const noexcept;
    /// Asks the system for the peer's address.
    connection_facts from() const noexcept;
    /// Whom the request comes from: what trusted proxies say by the PROXY protocol, and then by the request's
    /// fields (server_options::trusted_proxies); else the peer. None if nobody tells an Internet address.
    std::optional<address> client() const noexcept;
    /// Whether it comes by a socket of the UNIX domain, and nobody has said for whom.
    bool is_local() const noexcept;
    /// Whether the client came by TLS, to us or as a trusted proxy says; and the name that the handshake was
    /// for (SNI), empty if none.
    bool is_secure() const noexcept;
    std::string_view tls_name() const noexcept;
    /// The value of its X-Request-Id, if that is short and plain (limits::request_id_bytes of letters, digits
    /// and -._~+/=:), else one that is made: the access log has the same. Valid until the exchange ends.
    std::string_view request_id() const noexcept;
    /// The body's length, if the client says so; 0 if there is no body.
    std::optional<std::uint64_t> content_length() const noexcept;

    /// What site::per_loop has made for this loop. A bug (and the end) if it made none of that type.
    template <class T>
    T& local() const noexcept {
        return *static_cast<T*>(local_of(&detail::type_key<T>));
    }
    /// What middleware leaves for handlers: made by its default constructor when first asked for.
    template <class T>
    T& value() {
        for (detail::left_value* each = values_; each != nullptr; each = each->next) {
            if (each->key == &detail::type_key<T>) return static_cast<detail::left_value_of<T>*>(each)->value;
        }
        auto* const made = new detail::left_value_of<T>(&detail::type_key<T>, values_);
        values_ = made;
        return made->value;
    }
    /// The same, if it has been asked for before.
    template <class T>
    const T* left_by_middleware() const noexcept {
        for (const detail::left_value* each = values_; each != nullptr; each = each->next) {
            if (each->key == &detail::type_key<T>)
                return &static_cast<const detail::left_value_of<T>*>(each)->value;
        }
        return nullptr;
    }
    loop& home() const noexcept;
    /// Stopped when the client has gone, or at the drain limit. Of function handlers: the loop's.
    stop_scope& scope() const noexcept;
    /// The server is to end: what has no end by itself ends soon.
    bool draining() const noexcept;

    // The body. Coroutine handlers only: before others the body has been read and dropped.
    /// The next piece: see read_request. Nothing is received that is not asked for.
    read_request read() noexcept { return read_request(*this); }
    /// All that is left of it. Errors: those of read.
    task<result<std::string>> read_all();

    // The answer at once. The first one counts; another is ignored, and logged. A field that cannot be sent
    // makes it 500. Without the memory for it the connection ends.
    void respond(unsigned status, std::string_view content_type, std::string_view body) noexcept;
    void respond(unsigned status, std::string_view content_type, std::string&& body) noexcept;
    void respond(unsigned status, std::string_view content_type, const char* body) noexcept {
        respond(status, content_type, std::string_view(body));
    }
    /// Without content: 204, 304 and the like.
    void respond(unsigned status) noexcept { respond(status, {}, std::string_view()); }
    /// The fast path, unless fields were added. `whole` must live until the answer has been sent.
    void respond(const prepared& whole) noexcept;
    /// The same with a Location: a URL, or a reference that clients resolve (RFC 9110, section 10.2.2).
    void redirect(unsigned status, std::string_view location) noexcept;

    // The answer in pieces. Coroutine handlers only.
    /// The status of the answer, to be set before its first write, or end; 200 if it is not.
    exchange& status(unsigned code) noexcept {
        status_ = code;
        return *this;
    }
    /// A field of the answer; of its trailer, once its body has begun. Refused are malformed ones, and those
    /// that the connection itself is made of (Connection, Keep-Alive, Transfer-Encoding). A Content-Length is
    /// kept: as many bytes are to be written. Date and Server, once each, take the place of the library's: a
    /// proxy tells on those that it was given.
    exchange& add(std::string_view name, std::string_view value) noexcept;
    /// 103 and other interim answers, with the fields added so far.
    write_request inform(unsigned code) noexcept { return {*this, code}; }
    /// `piece` is lent until it has gone. Counted if a Content-Length was added, else chunked; for HTTP/1.0
    /// until the connection's end. EMSGSIZE past the Content-Length. Of an answer that is encoded, see
    /// encode_options::flush_each_piece.
    write_request write(bytes_view piece) noexcept { return {*this, write_request::what::piece, piece}; }
    write_request write(std::string_view piece) noexcept { return write(as_bytes(piece)); }
    /// `size` bytes of an open file, which is lent.
    write_request write_file(lent_descriptor file, std::uint64_t offset, std::uint64_t size) noexcept {
        return {*this, file, offset, size};
    }
    /// The same of a file that is open on this loop. Errors: EBADF, if there is no descriptor to be had for
    /// it.
    task<result<void>> write_file(const file& from, std::uint64_t offset, std::uint64_t size);
    /// The answer is whole; without a write before it, it has no body.
    write_request end() noexcept { return {*this, write_request::what::end, {}}; }

    // Another protocol on this connection. The answer is 101 with `Upgrade: protocol`, `Connection: Upgrade`
    // and the fields added so far; on a stream of HTTP/2, which an extended CONNECT has asked for (RFC 8441;
    // it is seen as a GET with these fields), 200 with the latter, and the stream's DATA are the bytes. Those
    // come first that the client sent behind its request.
    /// Coroutine handlers only: the handler goes on with the connection, by an upgraded_stream in an
    /// any_stream. All that it has of its request stays, and with that its memory and its generation of the
    /// site: for very many connections, and for those that outlive sites, see the other form. From here on
    /// the stream tells that the client has gone, and no route_options::handler_time holds; the scope is
    /// stopped at the drain limit. `protocol` is lent until it is awaited.
    upgrade_request upgrade(std::string_view protocol) noexcept { return {*this, protocol}; }
    /// When the answer has gone and the handler has returned, `then` runs as a task of its own on this loop,
    /// with the connection's bytes; it is stopped at the drain limit. Nothing of the exchange is left by
    /// then. False (and no answer) if the client did not ask for an upgrade or has sent a body.
    bool upgrade(std::string_view protocol, std::move_only_function<task<>(upgraded_stream)> then);
    /// The same for protocols of the library: with a coroutine of theirs that is the outermost.
    bool upgrade_by(std::string_view protocol, detail::upgrade_start start);

    /// Whether it comes on a stream of HTTP/2.
    bool is_http2() const noexcept;
    /// Whether an answer has been begun.
    bool answered() const noexcept { return answered_; }

 private:
    friend class connection;
    friend class h2::stream;
    friend struct call;
    friend class multipart_form;
    friend class read_request::awaiter;
    friend class write_request::awaiter;
    friend class upgrade_request::awaiter;
    friend worker_pool& detail::blocking_pool(const exchange& of) noexcept;

    /// until_close: its carrier tells its end, HTTP/1.0 by the connection's, HTTP/2 by the stream's.
    enum class body_kind : std::uint8_t { none, counted, chunked, until_close };

    exchange() noexcept = default;  // a call's, which is none of a connection yet
    explicit exchange(connection& link) noexcept : link_(&link) {}
    ~exchange();

    void* local_of(const void* type) const noexcept;
    const request_head& head() const noexcept;
    std::string_view head_text() const noexcept;
    bool may_answer() noexcept;
    // upgrade.cpp
    bool asks_for(std::string_view protocol) const noexcept;
    void answer_upgrade(std::string_view protocol, detail::upgrade_start start);
    /// For multipart_form: that status goes before any that the handler gives.
    void overrule(unsigned status, const char* reason) noexcept;
    /// For answers that are no handler's: they have a Server and Date of the library's.
    void drop_own_lines() noexcept {
        if (own_server_ || own_date_) [[unlikely]]
            remove_own_lines();
    }
    void remove_own_lines() noexcept;
    /// Tells the operator why the answer will be 500.
    void report_refused(std::string_view what, std::string_view detail) noexcept;
    void look_at(unsigned status, std::string_view content_type) noexcept;
    // encode.cpp
    const encode_options* encoding_for(unsigned status, std::string_view type);
    coding coding_of(const encode_options& wants) const noexcept;
    void mark_encoded(unsigned status, coding in);
    std::string_view encoded(unsigned status, std::string_view type, std::string_view body) noexcept;

    connection* link_ = nullptr;
    call* call_ = nullptr;  // of a coroutine handler
    const route* route_ = nullptr;
    std::string_view path_;
    std::array<std::string_view, limits::path_parameters> params_;
    std::uint32_t prefix_ = 1;  // of path_: the mount's, with its slash
    std::uint8_t param_count_ = 0;
    bool answered_ = false;  // its head is made
    bool ended_ = false;     // it is whole
    bool bad_field_ = false;
    bool counts_ = false;      // a Content-Length was added
    bool own_server_ = false;  // these were added: the library's are left out
    bool own_date_ = false;
    body_kind sends_ = body_kind::none;
    unsigned status_ = 200;
    std::uint64_t left_ = 0;  // of the Content-Length
    std::string fields_;      // added, as lines
    detail::left_value* values_ = nullptr;
};

}  // namespace naru::http
