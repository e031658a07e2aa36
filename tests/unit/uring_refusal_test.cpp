// Kernels and containers that refuse io_uring, wholly or in part: provoked in child processes, because what
// they do to a process cannot be undone.
#include "support/conformance.hpp"

#include <naru/backend/choose_backend.hpp>
#include <naru/backend/uring/backend.hpp>
#include <naru/backend/uring/refusal.hpp>
#include <naru/loop/loop.hpp>
#include <naru/net/acceptor.hpp>

#include <gtest/gtest.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/ucontext.h>
#include <sys/wait.h>
#include <unistd.h>

namespace naru::testing {
namespace {

// What `child` returns, from a process of its own; "status N" in front if that did not end well.
std::string in_a_child(const std::function<std::string()>& child) {
    std::array<int, 2> ends{};
    if (::pipe(ends.data()) != 0) return "no pipe";
    const pid_t pid = ::fork();
    if (pid == 0) {
        std::string said;
        try {
            said = child();
        } catch (const std::exception& thrown) {  // or the child would go on with the tests
            said = thrown.what();
        }
        (void)!::write(ends[1], said.data(), said.size());
        ::_exit(0);
    }
    ::close(ends[1]);
    std::string said;
    std::array<char, 512> part;
    for (ssize_t size = 0; (size = ::read(ends[0], part.data(), part.size())) > 0;)
        said.append(part.data(), static_cast<std::size_t>(size));
    ::close(ends[0]);
    int status = 0;
    ::waitpid(pid, &status, 0);
    return status == 0 ? said : "status " + std::to_string(status) + ": " + said;
}

// As container runtimes do it: the system call answers with `error`.
bool block(long system_call, unsigned error) {
    std::array<sock_filter, 4> program{{
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<unsigned>(system_call), 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    }};
    sock_fprog filter{};
    filter.len = program.size();
    filter.filter = program.data();
    return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

bool has_io_uring() { return try_backend(engine::io_uring).backend != nullptr; }

TEST(UringRefusal, ASeccompFilterIsNamedAndAutoTakesEpoll) {
    const std::string said = in_a_child([] {
        if (!block(__NR_io_uring_setup, EPERM)) return std::string("no filter");
        const backend_choice asked = try_backend(engine::io_uring);
        const backend_choice automatic = try_backend(engine::automatic);
        return std::string(name_of(automatic.chosen)) + "|" + automatic.reason + "|" +
               (asked.backend == nullptr ? "" : "made");
    });
    EXPECT_TRUE(said.starts_with("epoll|")) << said;
    EXPECT_NE(said.find("seccomp"), std::string::npos) << said;
    EXPECT_TRUE(said.ends_with("|")) << said;
}

TEST(UringRefusal, AKernelWithoutItIsNamed) {
    const std::string said = in_a_child([] {
        if (!block(__NR_io_uring_setup, ENOSYS)) return std::string("no filter");
        return try_backend(engine::io_uring).reason;
    });
    EXPECT_NE(said.find("no io_uring"), std::string::npos) << said;
}

TEST(UringRefusal, ARingThatCannotBeEnteredIsNone) {
    if (!has_io_uring()) GTEST_SKIP() << "no io_uring here";
    for (const unsigned error : {EPERM, ENOSYS}) {
        const std::string said = in_a_child([error] {
            if (!block(__NR_io_uring_enter, error)) return std::string("no filter");
            const backend_choice asked = try_backend(engine::io_uring);
            const backend_choice polling = try_backend(engine::io_uring_sqpoll);
            const backend_choice automatic = try_backend(engine::automatic);
            return std::string(name_of(automatic.chosen)) + "|" + automatic.reason + "|" +
                   (asked.backend == nullptr && polling.backend == nullptr ? "" : "made");
        });
        EXPECT_TRUE(said.starts_with("epoll|")) << said;
        EXPECT_NE(said.find("io_uring_enter"), std::string::npos) << said;
        EXPECT_NE(said.find("seccomp"), std::string::npos) << said;
        EXPECT_TRUE(said.ends_with("|")) << said;
    }
}

TEST(UringRefusal, AFilterThatComesLaterEndsTheProcessWithASentence) {
    if (!has_io_uring()) GTEST_SKIP() << "no io_uring here";
    for (const unsigned error : {EPERM, ENOSYS}) {
        const auto filtered = [error] {
            loop on(std::make_unique<uring_backend>());
            on.run_for_one_tick(duration(0));
            if (block(__NR_io_uring_enter, error)) on.run_for_one_tick(duration(0));
        };
        EXPECT_DEATH(filtered(), "io_uring_enter.*seccomp");
    }
}

TEST(AcceptRefusal, AFilterThatForbidsItMakesPausesAndNoBusyLoop) {
    const std::string said = in_a_child([] {
        auto listener = listening_socket();
        const address where = address::local_of(listener.get()).value();
        loop on(choose_backend(engine::epoll));
        const auto ours = on.attach(listener.release(), descriptor_kind::listener);
        struct seen_events {
            bool paused = false;
            bool stopped = false;
        } seen;
        acceptor accepting(
            on, *ours,
            {[](void*, handle) noexcept {},
             [](void* to, std::error_code, duration) noexcept {
                 static_cast<seen_events*>(to)->paused = true;
             },
             nullptr, [](void* to) noexcept { static_cast<seen_events*>(to)->stopped = true; }, &seen});
        accepting.start();
        if (!block(__NR_accept4, EPERM)) return std::string("no filter");
        const auto client = connect_to(where);
        on.run_until([&] { return seen.paused; });
        accepting.stop();
        on.run_until([&] { return seen.stopped; });
        return std::string("it pauses");
    });
    EXPECT_EQ(said, "it pauses");
}

TEST(UringRefusal, TheReasonIsThatOfTheError) {
    const auto says = [](uring_call call, int error, std::string_view words) {
        const std::string reason = explain_uring_refusal(call, error);
        EXPECT_NE(reason.find(words), std::string::npos) << reason;
        EXPECT_EQ(reason.find("5.19") != std::string::npos, error == EINVAL) << reason;
    };
    for (const uring_call each : {uring_call::setup, uring_call::enter, uring_call::registration}) {
        says(each, ENOMEM, "memory");
        says(each, EMFILE, "RLIMIT_NOFILE");
        says(each, ENOSYS, "seccomp");
        says(each, EINVAL, "Linux 5.19");
        says(each, EIO, "Input/output error");
    }
    says(uring_call::enter, EPERM, "seccomp");
    says(uring_call::registration, EPERM, "seccomp");
    says(uring_call::setup, ENOSYS, "no io_uring");
    const std::string limited = in_a_child([] {
        constexpr rlimit little{.rlim_cur = 65'536, .rlim_max = 65'536};
        (void)::setrlimit(RLIMIT_MEMLOCK, &little);
        return explain_uring_refusal(uring_call::registration, ENOMEM);
    });
    EXPECT_NE(limited.find("64 KiB (RLIMIT_MEMLOCK"), std::string::npos) << limited;
}

TEST(UringRefusal, SqpollThatIsRefusedBecomesIoUringWithAReason) {
    if (!has_io_uring()) GTEST_SKIP() << "no io_uring here";
    const std::string said = in_a_child([] {
        uring_options options;
        options.sqpoll_cpu = 4000;  // there is no such core
        const backend_choice choice = try_backend(engine::io_uring_sqpoll, options);
        return std::string(name_of(choice.chosen)) + "|" + choice.reason;
    });
    EXPECT_TRUE(said.starts_with("io_uring|without SQPOLL: ")) << said;
}

TEST(UringRefusal, WithoutRegisteredRestrictionsOrBuffersThereIsAReasonNotACrash) {
    if (!has_io_uring()) GTEST_SKIP() << "no io_uring here";
    const std::string said = in_a_child([] {
        if (!block(__NR_io_uring_register, EPERM)) return std::string("no filter");
        return try_backend(engine::io_uring).reason;
    });
    EXPECT_NE(said.find("provided-buffer rings"), std::string::npos) << said;
}

TEST(UringRefusal, WithoutMemoryThereIsAReasonNotACrash) {
    if (!has_io_uring()) GTEST_SKIP() << "no io_uring here";
    const std::string said = in_a_child([] {
        rlimit none{};
        none.rlim_cur = none.rlim_max = 0;
        if (::setrlimit(RLIMIT_AS, &none) != 0) return std::string("no limit");
        uring_ring ring;
        std::string steps;
        uring_setup setup;
        setup.entries = 4096;
        setup.completions = 65'536;
        const std::error_code error = ring.open(setup, steps);
        return std::string(error == std::errc::not_enough_memory ? "refused" : "not refused");
    });
    EXPECT_EQ(said, "refused");
}

// A child made by fork shares the ring's memory with its parent: to use it would mix up both.
TEST(UringRefusal, AForkedChildIsStopped) {
    if (!has_io_uring()) GTEST_SKIP() << "no io_uring here";
    for (const bool single_issuer : {true, false}) {
        uring_options options;
        options.single_issuer = single_issuer;
        loop on(std::make_unique<uring_backend>(options));
        on.run_for_one_tick(duration(0));
        EXPECT_DEATH(on.run_for_one_tick(duration(0)), "child made by fork");
        // The parent's goes on.
        bool ran = false;
        on.post([&] { ran = true; });
        on.run_until([&] { return ran; });
    }
}

TEST(UringRefusal, AForkedChildDestroysWhatItInheritedAndItsOwnLoopGoesOn) {
    if (!has_io_uring()) GTEST_SKIP() << "no io_uring here";
    for (const bool sqpoll : {false, true}) {
        uring_options options;
        options.single_issuer = false;
        options.sqpoll = sqpoll;
        options.sqpoll_idle_milliseconds = 1;
        std::unique_ptr<loop> inherited;
        try {
            inherited = std::make_unique<loop>(std::make_unique<uring_backend>(options));
        } catch (const std::exception& refusal) {
            GTEST_SKIP() << refusal.what();
        }
        inherited->run_for_one_tick(duration(0));
        const std::string said = in_a_child([&] {
            loop own(std::make_unique<uring_backend>(options));
            own.run_for_one_tick(duration(0));
            inherited.reset();
            bool ran = false;
            own.post([&] { ran = true; });
            own.run_until([&] { return ran; });
            return std::string("it goes on");
        });
        EXPECT_EQ(said, "it goes on");
        bool ran = false;
        inherited->post([&] { ran = true; });
        inherited->run_until([&] { return ran; });
    }
}

// How often the message that wakes a loop was asked for, and how often it was refused: by a filter that lets
// the process answer itself (seccomp(2), SECCOMP_RET_TRAP).
volatile std::sig_atomic_t messages_asked_for = 0;
int answer_to_messages = 0;

bool answer_messages(int answer) {
    answer_to_messages = answer;
    struct sigaction trapped{};
    trapped.sa_flags = SA_SIGINFO;
    trapped.sa_sigaction = [](int, siginfo_t*, void* context) {
        messages_asked_for = messages_asked_for + 1;
#if defined(__x86_64__)
        static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_RAX] = answer_to_messages;
#elif defined(__aarch64__)
        static_cast<ucontext_t*>(context)->uc_mcontext.regs[0] =
            static_cast<unsigned long long>(answer_to_messages);
#endif
    };
    if (::sigaction(SIGSYS, &trapped, nullptr) != 0) return false;
    std::array<sock_filter, 6> program{{
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<unsigned>(__NR_io_uring_register), 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args) + sizeof(std::uint64_t)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, uring_abi::register_send_msg_ring, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    }};
    sock_fprog filter{};
    filter.len = program.size();
    filter.filter = program.data();
    return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

TEST(UringRefusal, AKernelWithoutWakingMessagesIsAskedOnce) {
    if (!has_io_uring()) GTEST_SKIP() << "no io_uring here";
    for (const auto& [answer, expected] :
         {std::pair<int, int>{-EINVAL, 1}, {-EACCES, 1}, {-ENOMEM, 20}, {-EBADFD, 20}}) {
        const std::string said = in_a_child([answer] {
            if (!answer_messages(answer)) return std::string("no filter");
            loop on(std::make_unique<uring_backend>());
            for (int turn = 0; turn < 20; ++turn) {  // each wake is one, and reaches the loop
                bool ran = false;
                on.post([&] { ran = true; });
                on.run_until([&] { return ran; });
            }
            return std::to_string(messages_asked_for);
        });
        EXPECT_EQ(said, std::to_string(expected)) << answer;
    }
}

TEST(UringRefusal, ARestrictedRingTakesNothingElse) {
    uring_ring ring;
    std::string steps;
    uring_setup setup;
    setup.entries = 8;
    setup.completions = 16;
    if (ring.open(setup, steps)) GTEST_SKIP() << steps;
    constexpr std::uint8_t only[] = {IORING_OP_NOP};
    ASSERT_FALSE(ring.restrict_to(only));
    ASSERT_FALSE(ring.start());
    for (const auto& [operation, expected] :
         {std::pair<std::uint8_t, int>{IORING_OP_NOP, 0}, {IORING_OP_OPENAT, -EACCES}}) {
        io_uring_sqe* entry = ring.next_entry();
        ASSERT_NE(entry, nullptr);
        entry->opcode = operation;
        ASSERT_EQ(ring.enter(true, true, never), 0);
        ASSERT_NE(ring.peek(), nullptr);
        EXPECT_EQ(ring.peek()->res, expected);
        ring.consume();
    }
    EXPECT_EQ(ring.register_call(IORING_REGISTER_EVENTFD, nullptr, 0), -EACCES);
}

// What this kernel answers to a zero-copy send, asked without the engine. > 0: it does not say.
int answer_to_a_zero_copy_send(uring_ring& ring, int socket, std::string_view text) {
    io_uring_sqe* const entry = ring.next_entry();
    if (entry == nullptr) return 1;
    entry->opcode = IORING_OP_SEND_ZC;
    entry->fd = socket;
    entry->addr = reinterpret_cast<std::uint64_t>(text.data());
    entry->len = static_cast<std::uint32_t>(text.size());
    const int failed = ring.enter(true, true, clock::now() + std::chrono::seconds(10));
    return failed != 0 || ring.peek() == nullptr ? 1 : ring.peek()->res;
}

bool give_up_locking_memory() {
    __user_cap_header_struct head{};
    head.version = _LINUX_CAPABILITY_VERSION_3;
    std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> sets{};
    if (::syscall(SYS_capget, &head, sets.data()) != 0) return false;
    for (__u32* const each : {&sets[0].effective, &sets[0].permitted, &sets[0].inheritable})
        *each &= ~(1u << CAP_IPC_LOCK);
    return ::syscall(SYS_capset, &head, sets.data()) == 0;
}

TEST(UringRefusal, PastTheLimitOfLockedMemoryZeroCopyBecomesACopy) {
    if (!has_io_uring()) GTEST_SKIP() << "no io_uring here";
    for (const std::uint32_t pieces : {1u, 2u}) {
        const std::string said = in_a_child([&] {
            // A ring asks once, when it is made, whether it is privileged; newer kernels count its queues,
            // too.
            if (!give_up_locking_memory()) return std::string("skip: the capability could not be given up");
            uring_ring probe;
            uring_setup small;
            small.entries = 8;
            small.completions = 16;
            std::string steps;
            if (probe.open(small, steps) || probe.start()) return "skip: " + steps;
            uring_options options;
            options.zero_copy_from = 1;
            loop on(std::make_unique<uring_backend>(options));
            on.run_for_one_tick(duration(0));
            constexpr rlimit none{.rlim_cur = 0, .rlim_max = 0};
            if (::setrlimit(RLIMIT_MEMLOCK, &none) != 0) return std::string("skip: no limit could be set");
            const std::string sent = pattern(300'000);
            const socket_pair probed = tcp_pair();
            if (const int answer = answer_to_a_zero_copy_send(probe, probed.ours.get(), sent);
                answer != -ENOMEM)
                return "skip: this kernel does not count what is sent: " + std::to_string(answer);
            socket_pair sockets = tcp_pair();
            const handle ours = on.attach(sockets.ours.release(), descriptor_kind::stream).value();
            received_text got;
            std::string failures;
            for (const std::size_t turn : {1u, 2u}) {  // the second is refused anew, and sent all the same
                std::array<slice, 2> halves{slice(as_bytes(std::string_view(sent).substr(0, 100'000))),
                                            slice(as_bytes(std::string_view(sent).substr(100'000)))};
                if (pieces == 1) halves[0] = slice(as_bytes(sent));
                any_send send;
                send.set(ours, halves.data(), pieces);
                on.submit(send);
                run_until(on, [&] {
                    got.read_from(sockets.peer.get());
                    return send.done() && (send.failed() || got.data.size() >= turn * sent.size());
                });
                if (send.failed()) failures += send.error().message() + "; ";
            }
            on.close(ours);
            return failures + (got.data == sent + sent ? "whole" : "not whole");
        });
        if (said.starts_with("skip: ")) GTEST_SKIP() << said.substr(6);
        EXPECT_EQ(said, "whole") << pieces << " pieces";
    }
}

}  // namespace
}  // namespace naru::testing
