#include <naru/http/client/client.hpp>

#include <naru/coro/deadline.hpp>
#include <naru/coro/offload.hpp>
#include <naru/http/client/client_work.hpp>
#include <naru/http/client/http2_stream.hpp>
#include <naru/loop/environment.hpp>
#include <naru/os/resolve_name.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <new>
#include <utility>

namespace naru::http {

namespace {

bool is_redirect(unsigned status) noexcept {
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

std::string chunk_line(std::size_t size) {
    std::array<char, 20> digits{};
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), size, 16).ptr;
    return std::string(digits.data(), end) + "\r\n";
}

/// An address that needs no resolver.
std::optional<address> numeric(const url& to) {
    const bool six = to.host().find(':') != std::string::npos;
    if (!six && to.host().find_first_not_of("0123456789.") != std::string::npos) return std::nullopt;
    const auto parsed =
        address::parse((six ? "[" + to.host() + "]" : to.host()) + ":" + std::to_string(to.port()));
    if (!parsed) return std::nullopt;
    return *parsed;
}

}  // namespace

bool client::is_end(const std::error_code& error) noexcept {
    return error == errc::end_of_stream || error == std::errc::connection_reset ||
           error == std::errc::broken_pipe || error == std::errc::connection_aborted;
}

client::client(loop& on, client_options options) : loop_(on), options_(std::move(options)), pool_(options_) {}
client::~client() = default;

worker_pool& client::workers() {
    if (options_.workers != nullptr) return *options_.workers;
    if (own_workers_ == nullptr)
        own_workers_ = std::make_unique<worker_pool>(limits::resolver_threads, limits::resolver_queue);
    return *own_workers_;
}

task<client_result<client_answer>> client::get(std::string url) {
    return request(client_request("GET", std::move(url)));
}
task<client_result<client_answer>> client::head(std::string url) {
    return request(client_request("HEAD", std::move(url)));
}
task<client_result<client_answer>> client::post(std::string url, std::string body,
                                                std::string_view content_type) {
    client_request what("POST", std::move(url));
    what.body(std::move(body), content_type);
    return request(std::move(what));
}

task<client_result<client_answer>> client::request(client_request what) {
    work job(std::move(what));
    co_return co_await begin(job);
}

task<client_result<client_answer>> client::begin(work& job) {
    const duration total = job.request.total().value_or(options_.timeouts.total);
    job.record.end = saturating_add(job.record.begun, total);
    pool_.strings()->take(job.record.url);
    job.record.url = job.request.url_text();
    auto parsed = http::url::parse(job.request.url_text());
    if (!parsed) co_return job.record.failure(client_step::request, EINVAL, parsed.error());
    if (const char* const fault = job.request.fault())
        co_return job.record.failure(client_step::request, EINVAL, fault);
    job.at = std::move(*parsed);
    try {
        co_return co_await follow(job);
    } catch (const std::bad_alloc&) {
        co_return job.record.failure(client_step::request, ENOMEM);
    }
}

task<client_result<client_answer>> client::follow(work& job) {
    while (true) {
        auto answer = co_await ask(job);
        if (!answer) co_return std::unexpected(std::move(answer.error()));
        if (options_.redirects == 0 || !is_redirect(answer->status()) || !answer->field("location"))
            co_return std::move(*answer);
        job.record.url = answer->url();
        auto next = redirect(job, *answer);
        if (!next) co_return std::unexpected(std::move(next.error()));
        co_await with_deadline(limits::redirect_body_time, answer->drain());
    }
}

/// Turns the request into the one that the answer asks for.
client_result<bool> client::redirect(work& job, const client_answer& answer) {
    const auto fails = [&](int error, const std::string& detail) {
        return job.record.failure(client_step::redirect, error, detail);
    };
    if (++job.hops > options_.redirects)
        return fails(ELOOP, "more than " + std::to_string(options_.redirects) + " redirects");
    const std::string location(*answer.field("location"));
    auto next = job.at.resolve(location);
    if (!next) return fails(EBADMSG, std::string(next.error()) + ": Location: " + location);
    if (job.at.secure() && !next->secure())
        return fails(EACCES, "from https to http, which is not followed: " + next->text());
    job.request.follow(answer.status());
    if (job.request.is_streamed())
        return fails(EINVAL, "the streamed body, which is there only once, would have to be sent again to " +
                                 next->text());
    if (!next->same_origin(job.at)) job.request.drop_credentials();
    job.at = std::move(*next);
    job.record.maybe_processed = false;
    return true;
}

/// One hop: on a connection that was kept, or on a fresh one.
task<client_result<client_answer>> client::ask(work& job) {
    request_record& record = job.record;
    record.url.clear();
    job.at.append_text(record.url);
    record.peer.reset();
    auto got = co_await with_deadline(record.by(options_.timeouts.wait), pool_.wait_for_turn(job.at));
    if (!got) {
        co_return record.failure(
            client_step::wait, got.error(),
            got.error() == std::errc::resource_unavailable_try_again ? "too many requests wait already" : "");
    }
    connection_pool::turn turn = std::move(*got);
    const bool again = job.request.is_idempotent() && !job.request.is_streamed();
    bool fresh = false;  // the connection is not to be one that was kept
    for (unsigned tries = 1;; ++tries) {
        auto kept = co_await reach(job, turn, again, fresh);
        if (!kept) co_return std::unexpected(std::move(kept.error()));
        record.peer = turn->peer();
        auto done = co_await exchange(job, *turn.operator->());
        // Between two requests the peer may end a connection whenever it likes, also while the next one is on
        // its way: without a word, or with a 408, which then answers nothing (RFC 9110, section 15.5.9). On a
        // fresh one that is no excuse. With HTTP/2 it says which requests it has not looked at: those are
        // good for another try, whatever they are (RFC 9113, section 8.7), unless a part of them is gone.
        const http2_stream* const stream = http2_stream::find(loop_, turn->native());
        const bool has_ended = !done && !turn->answered() &&
                               (stream != nullptr ? stream->was_lost() : is_end(done.error().error));
        const bool ended_before = *kept && !fresh && (has_ended || (done && turn->head().status == 408));
        if (done && !(ended_before && again)) break;
        const bool was_refused = !done && stream != nullptr && stream->was_refused();
        turn.close();
        if (was_refused) {
            done.error().maybe_processed = record.maybe_processed = false;
            if (!job.request.is_streamed() && tries < limits::client_tries) continue;
        }
        if (was_refused || !ended_before || !again) co_return std::unexpected(std::move(done.error()));
        fresh = true;
    }
    if (job.at.secure()) {
        const http2_stream* const stream = http2_stream::find(loop_, turn->native());
        keep_session(job.at, stream != nullptr ? stream->connection() : turn->native());
    }
    const bool decode = options_.decompress && !job.request.has_field("accept-encoding");
    // What is still being sent has its deadlines there.
    request_record told = job.both != nullptr ? request_record(record) : std::move(record);
    co_return client_answer(std::move(turn), std::move(told), options_, pool_.strings(), decode);
}

/// A stream, a connection that was kept, or a fresh one; the result says whether it was there before.
task<client_result<bool>> client::reach(work& job, connection_pool::turn& turn, bool again, bool fresh) {
    if (turn.take_stream()) co_return true;
    auto may_connect = co_await with_deadline(job.record.by(options_.timeouts.wait), turn.wait_to_connect());
    if (!may_connect) co_return job.record.failure(client_step::wait, may_connect.error());
    if (turn.take_stream()) co_return true;
    if (!fresh && turn.take_kept(again)) co_return true;
    auto connected = co_await connect(job, turn);
    if (!connected) co_return std::unexpected(std::move(connected.error()));
    co_return false;
}

task<client_result<std::vector<address>>> client::addresses(work& job) {
    if (const auto known = numeric(job.at)) co_return std::vector<address>{*known};
    result<std::vector<address>> found;
    environment* const world = environment::other_than_the_systems();
    if (world != nullptr &&
        !options_.resolve) {  // a world's hosts: nothing waits, on whichever threads others do
        found = world->resolve(job.at.host(), job.at.port(), limits::addresses_per_name);
    } else {
        auto lookup = [resolve = options_.resolve, host = job.at.host(),
                       port = job.at.port()]() -> result<std::vector<address>> {
            return resolve ? resolve(host, port)
                           : environment::current().resolve(host, port, limits::addresses_per_name);
        };
        found = co_await with_deadline(job.record.by(options_.timeouts.resolve),
                                       offload_detached(workers(), lookup));
    }
    if (!found) co_return job.record.failure(client_step::resolve, found.error());
    if (found->empty()) co_return job.record.failure(client_step::resolve, resolve_errc::name_unknown);
    if (found->size() > limits::addresses_per_name) found->resize(limits::addresses_per_name);
    co_return std::move(*found);
}

/// Tries every address of the name, one after the other.
task<client_result<void>> client::connect(work& job, connection_pool::turn& turn) {
    auto found = co_await addresses(job);
    if (!found) co_return std::unexpected(std::move(found.error()));
    std::error_code last;
    for (const address& each : *found) {
        turn.make_room();
        job.record.peer = each;
        auto stream = co_await with_deadline(job.record.by(options_.timeouts.connect),
                                             tcp_stream::connect(loop_, each));
        if (stream) {
            if (job.at.secure()) {
                auto secured = co_await secure(job.record, job.at, *stream);
                if (!secured) co_return std::unexpected(std::move(secured.error()));
            }
            if (job.at.secure() && chose_http2(stream->native())) {
                const auto adopted = turn.adopt_link(std::move(*stream), each);
                if (!adopted) co_return job.record.failure(client_step::connect, adopted.error());
            } else {
                turn.adopt(client_connection::pointer(new client_connection(std::move(*stream), each)));
            }
            co_return client_result<void>();
        }
        last = stream.error();
        if (last == std::errc::operation_canceled || clock::now() >= job.record.end) break;
    }
    std::string detail;
    if (found->size() > 1)
        detail = last.message() + " (the last of " + std::to_string(found->size()) + " addresses)";
    co_return job.record.failure(client_step::connect, last, detail);
}

/// Sends the request, and receives the answer's head.
task<client_result<void>> client::exchange(work& job, client_connection& on) {
    request_record& record = job.record;
    pool_.strings()->take(on.answer_text());
    record.maybe_processed = true;
    if (job.both != nullptr) co_return co_await exchange_beside(job, on);
    constexpr bool alone = true;
    upload sending(loop_, alone);
    on.begin_request(job.request.to_head(), sending);
    auto sent = co_await send(job, sending);
    sending.end(sent.has_value());
    record.was_left_out = !sent && sending.stopped() && sending.waits_for_more();
    // An answer that came meanwhile is one, and a connection that was ended tells more by its receive.
    const bool hopeless = !sent && !sending.stopped() && (!job.fault.empty() || !is_end(sent.error()));
    if (hopeless) co_return record.failure(client_step::send, sent.error(), job.fault);
    const instant until = record.by(options_.timeouts.head);
    while (!on.has_head() && !on.head_is_bad() && !on.ended()) {
        auto arrived = co_await with_deadline(until, on.arrival());
        if (!arrived) co_return record.failure(client_step::head, arrived.error());
    }
    co_return look_at_head(job, on);
}

client_result<void> client::look_at_head(const work& job, const client_connection& on) const {
    const request_record& record = job.record;
    if (on.has_head()) return {};
    if (on.head_is_bad()) return record.failure(client_step::head, EBADMSG, on.problem());
    if (const http2_stream* const stream = http2_stream::find(loop_, on.native()); stream != nullptr)
        return record.failure(client_step::head, on.end(), words_of(*stream, on.end()));
    const bool quietly = on.end() == errc::end_of_stream;
    return record.failure(client_step::head, on.end(),
                          quietly ? "the connection was ended without an answer" : "");
}

task<result<void>> client::send(work& job, upload& sending) {
    client_connection* const over = sending.connection();
    if (over == nullptr) co_return fail_errno(ECANCELED);
    // The memory for it is the connection's, which may go before the send has ended.
    std::string head = std::exchange(over->request_text(), {});
    job.request.write_head(head, job.at, options_.user_agent, options_.decompress && gunzip::available());
    const bool is_streamed = job.request.is_streamed();
    const std::string_view bytes = is_streamed ? std::string_view() : job.request.bytes();
    auto sent = co_await send_bytes(job, sending, head, as_bytes(bytes), {});
    if (sent && is_streamed) sent = co_await send_stream(job, sending);
    if (client_connection* const on = sending.connection(); on != nullptr) on->request_text().swap(head);
    co_return sent;
}

/// In pieces, each with a deadline of its own.
task<result<void>> client::send_bytes(work& job, upload& sending, std::string_view before, bytes_view bytes,
                                      std::string_view behind) {
    while (true) {
        client_connection* const on = sending.connection();
        if (on == nullptr) co_return fail_errno(ECANCELED);
        const bytes_view piece = bytes.first(std::min(bytes.size(), limits::send_piece_bytes));
        bytes = bytes.subspan(piece.size());
        const bool last = bytes.empty();
        std::array<slice, 3> slices{};
        std::size_t count = 0;
        for (const slice& each : {slice(before), slice(piece), slice(last ? behind : std::string_view())})
            if (each.size > 0) slices[count++] = each;
        before = {};
        if (count > 0) {
            const std::span<slice> pieces(slices.data(), count);
            sending.watch(pieces);
            auto sent = co_await with_deadline(job.record.by(options_.timeouts.send),
                                               with_stop(sending.scope(), on->send(pieces)));
            if (!sent) {
                sending.watch({});
                co_return fail(sent.error());
            }
            sending.gets_on();
        }
        if (last) co_return result<void>();
    }
}

task<result<void>> client::send_stream(work& job, upload& sending) {
    const auto size = job.request.size();
    const client_connection* const begun = sending.connection();
    if (begun == nullptr) co_return fail_errno(ECANCELED);  // whoever had the answer has let it go
    const bool chunked = !size && !begun->carries_one();
    std::uint64_t total = 0;
    while (true) {
        sending.asks_source(!size || total < *size);
        auto piece =
            co_await with_deadline(job.record.end, with_stop(sending.scope(), job.request.source()()));
        sending.has_piece();
        if (!piece) {
            job.fault = "the body's source failed: " + piece.error().message();
            co_return fail(piece.error());
        }
        total += piece->size();
        if (size && (total > *size || (piece->empty() && total < *size))) {
            job.fault = "the body's source gave " + std::string(total > *size ? "more" : "fewer") +
                        " bytes than were said: " + std::to_string(total) + ", not " + std::to_string(*size);
            co_return fail_errno(EMSGSIZE);
        }
        if (piece->empty()) break;
        const std::string line = chunked ? chunk_line(piece->size()) : std::string();
        auto sent = co_await send_bytes(job, sending, line, *piece, chunked ? "\r\n" : "");
        if (!sent) co_return sent;
    }
    if (size) co_return result<void>();
    if (chunked) co_return co_await send_bytes(job, sending, "0\r\n\r\n", {}, {});
    client_connection* const on = sending.connection();
    if (on == nullptr) co_return fail_errno(ECANCELED);
    on->end_body();
    co_return result<void>();
}

}  // namespace naru::http
