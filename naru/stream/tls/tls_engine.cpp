#include <naru/stream/tls/tls_engine.hpp>

#include <naru/core/check.hpp>
#include <naru/core/limits.hpp>
#include <naru/stream/tls/tls_state.hpp>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>
#include <utility>

namespace naru {

/// OpenSSL's view of an engine: reads take from what was fed, writes go to the room that is lent, or are
/// kept.
struct tls_bio {
    static int read(BIO* bio, char* into, int size) noexcept {
        auto& engine = *static_cast<tls_engine*>(BIO_get_data(bio));
        BIO_clear_retry_flags(bio);
        const std::size_t count = std::min(engine.input_.size(), static_cast<std::size_t>(size));
        if (count == 0) {
            BIO_set_retry_read(bio);
            return -1;
        }
        std::memcpy(into, engine.input_.data(), count);
        engine.input_ = engine.input_.subspan(count);
        return static_cast<int>(count);
    }

    static int write(BIO* bio, const char* from, int size) noexcept {
        auto& engine = *static_cast<tls_engine*>(BIO_get_data(bio));
        BIO_clear_retry_flags(bio);
        bytes_view bytes(reinterpret_cast<const std::byte*>(from), static_cast<std::size_t>(size));
        if (engine.kept_size_ == 0) bytes = bytes.subspan(engine.put(bytes));
        if (!bytes.empty() && !engine.keep(bytes)) return -1;
        return size;
    }

    static long control(BIO* /*bio*/, int command, long /*number*/, void* /*pointer*/) noexcept {
        return command == BIO_CTRL_FLUSH ? 1 : 0;
    }

    static int create(BIO* bio) noexcept {
        BIO_set_init(bio, 1);
        return 1;
    }

    static BIO_METHOD* method() noexcept {
        static BIO_METHOD* const made = [] {
            BIO_METHOD* fresh = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "naru");
            if (fresh == nullptr) return fresh;
            BIO_meth_set_read(fresh, &tls_bio::read);
            BIO_meth_set_write(fresh, &tls_bio::write);
            BIO_meth_set_ctrl(fresh, &tls_bio::control);
            BIO_meth_set_create(fresh, &tls_bio::create);
            return fresh;
        }();
        return made;
    }
};

namespace {

std::string_view text_of(const char* text) noexcept { return text != nullptr ? text : std::string_view(); }

}  // namespace

void tls_session::release::operator()(ssl_session_st* each) const noexcept { SSL_SESSION_free(each); }

void tls_engine::ssl_release::operator()(ssl_st* each) const noexcept { SSL_free(each); }

tls_engine::~tls_engine() {
    // Its session can be resumed however the connection ended: OpenSSL wants to be told so.
    if (ssl_ && established_ && !failed_)
        SSL_set_shutdown(ssl_.get(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
}

result<void> tls_engine::make(const tls_context& context) noexcept {
    NARU_ASSERT(!ssl_);
    ERR_clear_error();
    context_ = context;
    ssl_.reset(SSL_new(context.state().context.get()));
    BIO* const bio = ssl_ && tls_bio::method() != nullptr ? BIO_new(tls_bio::method()) : nullptr;
    if (bio == nullptr) {
        ssl_.reset();
        ERR_clear_error();
        return fail_errno(ENOMEM);
    }
    BIO_set_data(bio, this);
    SSL_set_bio(ssl_.get(), bio, bio);
    return {};
}

result<void> tls_engine::accept(const tls_context& context) noexcept {
    if (context.is_client()) fatal("bug: a TLS server was begun with a client's context");
    if (auto made = make(context); !made) return made;
    SSL_set_accept_state(ssl_.get());
    return {};
}

result<void> tls_engine::connect(const tls_context& context, std::string_view host,
                                 const tls_session& resumed) noexcept {
    if (!context.is_client()) fatal("bug: a TLS client was begun with a server's context");
    if (host.empty() || host.size() > 253) return fail_errno(EINVAL);
    if (auto made = make(context); !made) return made;
    char name[254];
    std::memcpy(name, host.data(), host.size());
    name[host.size()] = '\0';
    if (std::strlen(name) != host.size()) return fail_errno(EINVAL);
    SSL* const ssl = ssl_.get();
    X509_VERIFY_PARAM* const verified = SSL_get0_param(ssl);
    ASN1_OCTET_STRING* const number = a2i_IPADDRESS(name);
    ERR_clear_error();
    bool set = false;
    if (number != nullptr) {
        ASN1_OCTET_STRING_free(number);
        set = X509_VERIFY_PARAM_set1_ip_asc(verified, name) == 1;
    } else {
        X509_VERIFY_PARAM_set_hostflags(verified, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
        set = X509_VERIFY_PARAM_set1_host(verified, name, host.size()) == 1 &&
              SSL_set_tlsext_host_name(ssl, name) == 1;
    }
    if (set && resumed) set = SSL_set_session(ssl, resumed.get()) == 1;
    if (!set) {
        const std::error_code why = detail::tls_error_of_queue();
        return why == std::errc::not_enough_memory ? fail(why) : fail_errno(EINVAL);
    }
    SSL_set_connect_state(ssl);
    return {};
}

void tls_engine::feed(bytes_view ciphertext) noexcept {
    NARU_ASSERT(input_.empty());
    input_ = ciphertext;
}

bool tls_engine::may_read() const noexcept {
    return !input_.empty() || peer_ended_ || failed_ || SSL_has_pending(ssl_.get()) == 1;
}

void tls_engine::lend_output(mutable_bytes room, std::span<const mutable_bytes> more) noexcept {
    room_ = room;
    more_room_ = {};
    used_ = 0;
    room_left_ = room.size();
    lend_more_output(more);
    if (kept_size_ == 0) return;
    const std::size_t fits = put({kept_.get(), kept_size_});
    kept_size_ -= fits;
    if (kept_size_ == 0) {
        kept_.reset();
        kept_capacity_ = 0;
    } else {
        std::memmove(kept_.get(), kept_.get() + fits, kept_size_);
    }
}

void tls_engine::lend_more_output(std::span<const mutable_bytes> more) noexcept {
    NARU_ASSERT(more_room_.empty());
    more_room_ = more;
    for (const mutable_bytes each : more)
        room_left_ += each.size();
}

/// Into the room; how much of it there was room for.
std::size_t tls_engine::put(bytes_view bytes) noexcept {
    std::size_t fits = 0;
    while (fits < bytes.size() && room_left_ != 0) {
        if (room_.empty()) {
            room_ = more_room_.front();
            more_room_ = more_room_.subspan(1);
        }
        const std::size_t step = std::min(bytes.size() - fits, room_.size());
        std::memcpy(room_.data(), bytes.data() + fits, step);
        room_ = room_.subspan(step);
        room_left_ -= step;
        fits += step;
    }
    used_ += fits;
    return fits;
}

std::size_t tls_engine::take_output() noexcept {
    const std::size_t used = used_;
    room_ = {};
    more_room_ = {};
    used_ = room_left_ = 0;
    return used;
}

bool tls_engine::keep(bytes_view bytes) noexcept {
    const std::size_t needed = kept_size_ + bytes.size();
    if (needed > limits::tls_output_pending) {
        overflowed_ = true;
        return false;
    }
    if (needed > kept_capacity_) {
        const std::size_t capacity =
            std::min(std::max(needed, 2 * kept_capacity_), limits::tls_output_pending);
        std::unique_ptr<std::byte[]> larger(new (std::nothrow) std::byte[capacity]);
        if (!larger) return false;
        if (kept_size_ != 0) std::memcpy(larger.get(), kept_.get(), kept_size_);
        kept_ = std::move(larger);
        kept_capacity_ = capacity;
    }
    std::memcpy(kept_.get() + kept_size_, bytes.data(), bytes.size());
    kept_size_ = needed;
    return true;
}

std::error_code tls_engine::failure_of(int code) noexcept {
    switch (SSL_get_error(ssl_.get(), code)) {
        case SSL_ERROR_WANT_READ:
            return {};
        case SSL_ERROR_ZERO_RETURN:
            peer_ended_ = true;  // no failure of the engine: writing goes on
            return errc::end_of_stream;
        case SSL_ERROR_SSL: {
            const long verified = SSL_get_verify_result(ssl_.get());
            failed_ = detail::tls_error_of_queue();
            if (!established_ && failed_.category() == tls_category() &&
                failed_.value() == SSL_R_CERTIFICATE_VERIFY_FAILED && verified != X509_V_OK)
                failed_ = detail::tls_certificate_error(verified);
            return failed_;
        }
        default:  // the engine's own write has failed
            ERR_clear_error();
            failed_ = overflowed_ ? detail::tls_error(tls_errc::output_full)
                                  : std::error_code(ENOMEM, errno_category());
            return failed_;
    }
}

result<bool> tls_engine::handshake() noexcept {
    if (failed_) return fail(failed_);
    ERR_clear_error();
    const int code = SSL_do_handshake(ssl_.get());
    if (code == 1) {
        established_ = true;
        return true;
    }
    if (const std::error_code why = failure_of(code)) {
        input_ = {};
        return fail(why);
    }
    return false;
}

result<std::size_t> tls_engine::read(mutable_bytes into) noexcept {
    if (failed_) return fail(failed_);
    ERR_clear_error();
    std::size_t count = 0;
    const int code = SSL_read_ex(ssl_.get(), into.data(), into.size(), &count);
    if (code == 1) return count;
    if (const std::error_code why = failure_of(code)) {
        input_ = {};  // whatever follows is nobody's
        return fail(why);
    }
    return std::size_t{0};
}

result<std::size_t> tls_engine::write(bytes_view plaintext) noexcept {
    if (failed_) return fail(failed_);
    const std::size_t room = room_left();
    if (room < smallest_room || has_output() || plaintext.empty()) return std::size_t{0};
    const std::size_t one = std::min({plaintext.size(), room - record_overhead, most_in_record});
    ERR_clear_error();
    std::size_t count = 0;
    const int code = SSL_write_ex(ssl_.get(), plaintext.data(), one, &count);
    if (code == 1) return count;
    if (const std::error_code why = failure_of(code)) return fail(why);
    return std::size_t{0};
}

result<void> tls_engine::end() noexcept {
    if (failed_) return fail(failed_);
    if (ended_ || !established_) return {};
    ended_ = true;
    ERR_clear_error();
    const int code = SSL_shutdown(ssl_.get());
    if (code < 0) {
        if (const std::error_code why = failure_of(code)) return fail(why);
    }
    return {};
}

std::string_view tls_engine::protocol() const noexcept {
    const unsigned char* name = nullptr;
    unsigned length = 0;
    SSL_get0_alpn_selected(ssl_.get(), &name, &length);
    return {reinterpret_cast<const char*>(name), length};
}

std::string_view tls_engine::server_name() const noexcept {
    return text_of(SSL_get_servername(ssl_.get(), TLSEXT_NAMETYPE_host_name));
}

std::string_view tls_engine::version() const noexcept { return text_of(SSL_get_version(ssl_.get())); }

std::string_view tls_engine::cipher() const noexcept { return text_of(SSL_get_cipher_name(ssl_.get())); }

bool tls_engine::resumed() const noexcept { return SSL_session_reused(ssl_.get()) == 1; }

std::optional<std::string> tls_engine::peer_subject() const {
    const X509* const shown = SSL_get0_peer_certificate(ssl_.get());
    if (shown == nullptr) return std::nullopt;
    const detail::openssl_pointer<BIO> text(BIO_new(BIO_s_mem()));
    char* start = nullptr;
    if (!text || X509_NAME_print_ex(text.get(), X509_get_subject_name(shown), 0, XN_FLAG_RFC2253) < 0)
        throw std::bad_alloc();
    const long length = BIO_get_mem_data(text.get(), &start);
    return std::string(start, static_cast<std::size_t>(length));
}

bytes_view tls_engine::staple() const noexcept {
    const unsigned char* start = nullptr;
    const long length = SSL_get_tlsext_status_ocsp_resp(ssl_.get(), static_cast<void*>(&start));
    if (length <= 0) return {};
    return {reinterpret_cast<const std::byte*>(start), static_cast<std::size_t>(length)};
}

void tls_engine::ask_for_staple() noexcept { SSL_set_tlsext_status_type(ssl_.get(), TLSEXT_STATUSTYPE_ocsp); }

tls_session tls_engine::session() const noexcept {
    tls_session found(SSL_get1_session(ssl_.get()));
    if (!found || SSL_SESSION_is_resumable(found.get()) != 1) return {};
    return found;
}

}  // namespace naru
