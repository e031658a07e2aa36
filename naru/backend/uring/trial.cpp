#include <naru/backend/uring/trial.hpp>

#include <naru/backend/uring/backend.hpp>
#include <naru/backend/uring/refusal.hpp>
#include <naru/core/limits.hpp>
#include <naru/loop/operation.hpp>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <system_error>

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace naru {

namespace {

constexpr unsigned trial_entries = 8;
constexpr std::size_t trial_buffers = 8;
constexpr const char* nothing_completes =
    "io_uring can be had here, but what is submitted does not complete: use another engine";

// The system calls alone: with them denied, the backend could neither do anything nor end what it began.
std::string try_calls(const uring_options& options, instant deadline) {
    uring_setup setup;
    setup.entries = trial_entries;
    setup.completions = 2 * trial_entries;
    setup.single_issuer = options.single_issuer;
    setup.sqpoll = options.sqpoll;
    setup.sqpoll_idle_milliseconds = options.sqpoll_idle_milliseconds;
    setup.sqpoll_cpu = options.sqpoll_cpu;
    uring_ring ring;
    std::string steps;
    if (const std::error_code error = ring.open(setup, steps)) throw std::system_error(error, steps);
    if (const std::error_code error = ring.start())
        return explain_uring_refusal(uring_call::registration, error.value());
    ring.next_entry()->opcode = IORING_OP_NOP;
    while (ring.peek() == nullptr) {
        const int failed = ring.enter(true, true, deadline);
        if (failed != 0 && failed != -ETIME && failed != -EINTR)
            return explain_uring_refusal(uring_call::enter, -failed);
        if (clock::now() >= deadline && ring.peek() == nullptr) return nothing_completes;
    }
    return {};
}

// What serving is made of, on the backend itself, without a loop. To be leaked when something of it does not
// end: a backend with operations in flight cannot be destroyed.
class serving_trial {
 public:
    serving_trial(const uring_options& options, instant deadline) : backend_(options), deadline_(deadline) {}

    // Whether it came to its end; `problem` is empty if all was right.
    bool run(std::string& problem);

 private:
    bool finish(operation& op) noexcept;
    bool open_sockets(std::string& problem) noexcept;
    bool close(handle each) noexcept;

    uring_backend backend_;
    instant deadline_;
    handle listener_;
    handle client_;
    operation accept_{operation_kind::accept, [](operation&) noexcept {}};
    operation receive_{operation_kind::recv, [](operation&) noexcept {}};
    operation close_{operation_kind::close, [](operation&) noexcept {}};
    send_operation send_{[](operation&) noexcept {}};
    operation_queue batch_;
    operation_queue done_;
};

bool serving_trial::finish(operation& op) noexcept {
    op.state = operation_state::queued;
    batch_.push(op);
    backend_.submit(batch_, done_);
    do {
        while (operation* const each = done_.pop())
            each->state = operation_state::idle;
        if (op.idle()) return true;
        backend_.wait(deadline_, done_);
    } while (!done_.empty() || clock::now() < deadline_);
    return false;
}

// A socket of the process's own, with a name that the system chooses: no network is needed.
bool serving_trial::open_sockets(std::string& problem) noexcept {
    const int listener = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    const int client = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    socklen_t size = sizeof name.sun_family;
    auto* const there = reinterpret_cast<sockaddr*>(&name);
    bool good = ::bind(listener, there, size) == 0 && ::listen(listener, 1) == 0;
    size = sizeof name;
    good = good && ::getsockname(listener, there, &size) == 0 && ::connect(client, there, size) == 0;
    const auto attached_listener = backend_.attach(listener, descriptor_kind::listener, ownership::own);
    const auto attached_client = backend_.attach(client, descriptor_kind::stream, ownership::own);
    if (attached_listener) listener_ = *attached_listener;
    if (attached_client) client_ = *attached_client;
    if (!good) problem = "there are no sockets for a trial: " + errno_category().message(errno);
    return good && attached_listener && attached_client;
}

bool serving_trial::close(handle each) noexcept {
    close_.target = each;
    return !each || finish(close_);
}

bool serving_trial::run(std::string& problem) {
    if (open_sockets(problem)) {
        accept_.target = listener_;
        if (!finish(accept_)) return false;
        if (accept_.failed()) {
            problem = "accepting fails with io_uring here: " + accept_.error().message();
        } else {
            receive_.target = handle::unpack(accept_.result);
            send_.set(client_, as_bytes("?"));
            if (!finish(send_) || !finish(receive_)) return false;
            if (send_.failed() || receive_.result != 1)
                problem = "a byte does not get through with io_uring here: " +
                          (send_.failed() ? send_ : receive_).error().message();
            if (receive_.result > 0) backend_.buffers().release(receive_.data);
            if (!close(receive_.target)) return false;
        }
    }
    return close(client_) && close(listener_);
}

}  // namespace

std::string try_uring(const uring_options& options) {
    const instant deadline = saturating_add(clock::now(), limits::uring_trial_time);
    std::string problem = try_calls(options, deadline);
    if (!problem.empty()) return problem;
    uring_options small = options;
    small.entries = trial_entries;
    small.completions = 2 * trial_entries;
    small.pool_buffers = trial_buffers;
    small.direct_limit = options.direct_limit != 0 ? std::min<std::size_t>(options.direct_limit, 8) : 8;
    auto trial = std::make_unique<serving_trial>(small, deadline);
    if (!trial->run(problem)) {
        (void)trial.release();
        return nothing_completes;
    }
    return problem;
}

}  // namespace naru
