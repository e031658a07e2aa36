// A request whose answer is read while its body is sent.
#include <naru/coro/deadline.hpp>
#include <naru/http/client/client_work.hpp>

#include <cerrno>
#include <new>
#include <utility>

namespace naru::http {

naru::detail::child_frame client::send_beside(naru::detail::nursery& /*in*/, client& of, work& job) {
    both_ways& both = *job.both;
    co_await naru::detail::bounded_start();
    try {
        both.sent = co_await of.send(job, *both.sending);
    } catch (...) {
        both.thrown = std::current_exception();
    }
    const bool is_sent = both.sent && *both.sent;
    both.failed = both.thrown || (!is_sent && !both.sending->stopped() &&
                                  (!job.fault.empty() || !is_end(both.sent->error())));
    const client_connection* const on = both.sending->connection();
    const bool has_answer = on == nullptr || on->has_head();
    both.sending->end(is_sent);
    if (both.failed) {
        both.answer->stop();
    } else if (!has_answer) {
        of.loop_.arm(both.late, job.record.by(of.options_.timeouts.head));
    }
}

/// As `exchange`, but that the rest may still be under way when the head has come.
task<client_result<void>> client::exchange_beside(work& job, client_connection& on) {
    both_ways& both = *job.both;
    both.begin(loop_);
    on.begin_request(job.request.to_head(), *both.sending);
    naru::detail::start_child([&] { send_beside(both.children, *this, job); });
    result<void> arrived;
    while (arrived && !on.has_head() && !on.head_is_bad() && !on.ended())
        arrived = co_await with_deadline(job.record.end, with_stop(*both.answer, on.arrival()));
    loop_.disarm(both.late);
    const bool goes_on = on.has_head() && !both.failed && !both.sending->stopped() &&
                         !both.sending->waits_for_more() && !both.sending->has_ended();
    if (goes_on) co_return client_result<void>();
    if (!on.has_head()) both.sending->stop();
    co_await both.children.all_ended();
    loop_.disarm(both.late);
    if (both.failed) co_return send_failure(job);
    if (!arrived || both.is_late) {
        const std::error_code why =
            both.is_late ? std::error_code(ETIMEDOUT, errno_category()) : arrived.error();
        co_return job.record.failure(client_step::head, why);
    }
    co_return look_at_head(job, on);
}

std::unexpected<client_error> client::send_failure(const work& job) {
    const both_ways& both = *job.both;
    const std::error_code why = both.sent ? both.sent->error() : std::error_code(EIO, errno_category());
    return job.record.failure(client_step::send, why, job.fault);
}

task<client_result<void>> client::run_beside(client_request what, taker& take) {
    work job(std::move(what));
    both_ways both(*co_await current_scope());
    job.both = &both;
    std::optional<client_error> failed;
    std::exception_ptr thrown;
    try {
        auto answer = co_await begin(job);
        if (answer) {
            co_await with_stop(*both.answer, take(std::move(*answer)));
        } else {
            failed = std::move(answer.error());
        }
    } catch (...) {
        thrown = std::current_exception();
    }
    const bool had_failed = both.failed;
    if (both.sending) both.sending->stop();
    co_await both.children.all_ended();
    loop_.disarm(both.late);
    if (both.thrown) std::rethrow_exception(both.thrown);
    if (thrown) std::rethrow_exception(thrown);
    if (failed) co_return std::unexpected(std::move(*failed));
    if (had_failed) co_return send_failure(job);
    co_return client_result<void>();
}

}  // namespace naru::http
