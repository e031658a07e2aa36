#include "sandbox.hpp"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string_view>
#include <system_error>

#include <naru/os/socket.hpp>

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <fmt/format.h>

#ifdef NARU_HAS_SECCOMP
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <seccomp.h>
#endif

namespace naru::program {

namespace {

// <linux/landlock.h> of Linux 6.12; the headers here may be older.
namespace landlock {
constexpr long create_ruleset = 444;
constexpr long add_rule = 445;
constexpr long restrict_self = 446;
constexpr unsigned version_flag = 1;
constexpr int path_beneath = 1;
constexpr std::uint64_t read_file = 1U << 2;
constexpr std::uint64_t read_directory = 1U << 3;
constexpr std::uint64_t of_version_1 = (1U << 13) - 1;
constexpr std::uint64_t refer = 1U << 13;          // version 2
constexpr std::uint64_t truncate = 1U << 14;       // 3
constexpr std::uint64_t bind_and_connect = 3;      // 4
constexpr std::uint64_t device_ioctl = 1U << 15;   // 5
constexpr std::uint64_t abstract_and_signals = 3;  // 6

struct ruleset {
    std::uint64_t files = 0;
    std::uint64_t network = 0;
    std::uint64_t scoped = 0;
};
struct [[gnu::packed]] beneath {
    std::uint64_t allowed = 0;
    std::int32_t directory = -1;
};

long version() noexcept { return ::syscall(create_ruleset, nullptr, 0, version_flag); }
}  // namespace landlock

// What libraries read when they are used for the first time.
constexpr const char* of_the_system[] = {"/usr/lib",
                                         "/lib",
                                         "/lib64",
                                         "/usr/lib64",
                                         "/etc/localtime",
                                         "/usr/share/zoneinfo",
                                         "/etc/ssl/openssl.cnf",
                                         "/dev/null",
                                         "/dev/urandom",
                                         "/proc/self",
                                         "/proc/sys/net",
                                         "/sys/fs/cgroup",
                                         "/sys/devices/system/cpu"};

void become(const std::string& name) {
    const passwd* const found = ::getpwnam(name.c_str());
    if (found == nullptr) throw std::runtime_error(fmt::format("--user {}: there is no such user", name));
    const uid_t user = found->pw_uid;
    const gid_t group = found->pw_gid;
    if (::geteuid() == user && ::getuid() == user) return;
    if (::initgroups(name.c_str(), group) != 0 || ::setresgid(group, group, group) != 0 ||
        ::setresuid(user, user, user) != 0)
        throw std::runtime_error(fmt::format("--user {}: {}", name, std::generic_category().message(errno)));
}

void allow_reading(int rules, const std::string& path) noexcept {
    const unique_descriptor opened(::open(path.c_str(), O_PATH | O_CLOEXEC));
    struct stat what{};
    if (!opened || ::fstat(opened.get(), &what) != 0) return;  // what is not there is not read
    landlock::beneath rule;
    rule.allowed = landlock::read_file | (S_ISDIR(what.st_mode) ? landlock::read_directory : 0);
    rule.directory = opened.get();
    (void)::syscall(landlock::add_rule, rules, landlock::path_beneath, &rule, 0);
}

void confine_files(const sandbox_rules& rules, std::vector<std::string>& lacking) {
    const long version = landlock::version();
    if (version < 1) {
        lacking.emplace_back("no Landlock in this kernel: what can be read is what the user can read");
        return;
    }
    landlock::ruleset handled;
    handled.files = landlock::of_version_1 | (version >= 2 ? landlock::refer : 0) |
                    (version >= 3 ? landlock::truncate : 0) | (version >= 5 ? landlock::device_ioctl : 0);
    if (version >= 4) handled.network = landlock::bind_and_connect;
    if (version >= 6) handled.scoped = landlock::abstract_and_signals;
    const std::size_t size = version >= 6   ? sizeof handled
                             : version >= 4 ? offsetof(landlock::ruleset, scoped)
                                            : offsetof(landlock::ruleset, network);
    const unique_descriptor made(static_cast<int>(::syscall(landlock::create_ruleset, &handled, size, 0)));
    if (!made) {
        lacking.push_back("no Landlock: " + std::generic_category().message(errno));
        return;
    }
    for (const char* const each : of_the_system)
        allow_reading(made.get(), each);
    for (const std::string& each : rules.readable)
        allow_reading(made.get(), each);
    if (::syscall(landlock::restrict_self, made.get(), 0) != 0)
        lacking.push_back("no Landlock: " + std::generic_category().message(errno));
    else if (version < 4)
        lacking.emplace_back("Landlock without the network: needs Linux 6.7");
}

#ifdef NARU_HAS_SECCOMP

constexpr std::string_view allowed_calls[] = {"accept",
                                              "accept4",
                                              "access",
                                              "arch_prctl",
                                              "brk",
                                              "clock_getres",
                                              "clock_gettime",
                                              "clock_nanosleep",
                                              "close",
                                              "close_range",
                                              "dup",
                                              "dup2",
                                              "dup3",
                                              "epoll_create",
                                              "epoll_create1",
                                              "epoll_ctl",
                                              "epoll_pwait",
                                              "epoll_pwait2",
                                              "epoll_wait",
                                              "eventfd",
                                              "eventfd2",
                                              "exit",
                                              "exit_group",
                                              "faccessat",
                                              "faccessat2",
                                              "fadvise64",
                                              "fcntl",
                                              "fdatasync",
                                              "fstat",
                                              "fstatfs",
                                              "fsync",
                                              "futex",
                                              "getcwd",
                                              "getdents64",
                                              "getegid",
                                              "geteuid",
                                              "getgid",
                                              "getgroups",
                                              "getpeername",
                                              "getpid",
                                              "getppid",
                                              "getrandom",
                                              "getrlimit",
                                              "getrusage",
                                              "get_robust_list",
                                              "getsockname",
                                              "getsockopt",
                                              "gettid",
                                              "gettimeofday",
                                              "getuid",
                                              "io_uring_enter",
                                              "io_uring_register",
                                              "lseek",
                                              "lstat",
                                              "madvise",
                                              "membarrier",
                                              "mincore",
                                              "mlock",
                                              "mmap",
                                              "mprotect",
                                              "mremap",
                                              "munlock",
                                              "munmap",
                                              "nanosleep",
                                              "newfstatat",
                                              "open",
                                              "openat",
                                              "openat2",
                                              "pipe",
                                              "pipe2",
                                              "poll",
                                              "ppoll",
                                              "pread64",
                                              "preadv",
                                              "preadv2",
                                              "prlimit64",
                                              "pselect6",
                                              "pwrite64",
                                              "pwritev",
                                              "pwritev2",
                                              "read",
                                              "readahead",
                                              "readlink",
                                              "readlinkat",
                                              "readv",
                                              "recvfrom",
                                              "recvmmsg",
                                              "recvmsg",
                                              "restart_syscall",
                                              "rseq",
                                              "rt_sigaction",
                                              "rt_sigpending",
                                              "rt_sigprocmask",
                                              "rt_sigreturn",
                                              "rt_sigtimedwait",
                                              "sched_getaffinity",
                                              "sched_getparam",
                                              "sched_getscheduler",
                                              "sched_get_priority_max",
                                              "sched_get_priority_min",
                                              "sched_setaffinity",
                                              "sched_yield",
                                              "select",
                                              "sendfile",
                                              "setsockopt",
                                              "set_robust_list",
                                              "set_tid_address",
                                              "shutdown",
                                              "sigaltstack",
                                              "socketpair",
                                              "splice",
                                              "stat",
                                              "statfs",
                                              "statx",
                                              "sysinfo",
                                              "tee",
                                              "time",
                                              "timerfd_create",
                                              "timerfd_gettime",
                                              "timerfd_settime",
                                              "times",
                                              "umask",
                                              "uname",
                                              "write",
                                              "writev"};

// Known, and refused as what they are; any other call is one that this program has never heard of.
constexpr std::string_view refused_calls[] = {"bind",
                                              "bpf",
                                              "chdir",
                                              "chmod",
                                              "chown",
                                              "chroot",
                                              "connect",
                                              "creat",
                                              "execve",
                                              "execveat",
                                              "fchmod",
                                              "fchmodat",
                                              "fchown",
                                              "fchownat",
                                              "fork",
                                              "ftruncate",
                                              "io_uring_setup",
                                              "kill",
                                              "link",
                                              "linkat",
                                              "listen",
                                              "memfd_create",
                                              "mkdir",
                                              "mkdirat",
                                              "mknod",
                                              "mknodat",
                                              "mount",
                                              "open_by_handle_at",
                                              "perf_event_open",
                                              "pidfd_getfd",
                                              "pidfd_open",
                                              "pidfd_send_signal",
                                              "process_vm_readv",
                                              "process_vm_writev",
                                              "ptrace",
                                              "rename",
                                              "renameat",
                                              "renameat2",
                                              "rmdir",
                                              "sendmmsg",
                                              "setgid",
                                              "setgroups",
                                              "setns",
                                              "setregid",
                                              "setresgid",
                                              "setresuid",
                                              "setreuid",
                                              "setuid",
                                              "shmat",
                                              "shmget",
                                              "socket",
                                              "symlink",
                                              "symlinkat",
                                              "tkill",
                                              "truncate",
                                              "umount2",
                                              "unlink",
                                              "unlinkat",
                                              "unshare",
                                              "userfaultfd",
                                              "vfork",
                                              "wait4",
                                              "waitid"};

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define NARU_OF_A_SANITIZER
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define NARU_OF_A_SANITIZER
#endif
#endif

#ifdef NARU_OF_A_SANITIZER
// A search for leaks at the end looks at the process from outside.
constexpr std::string_view of_a_sanitizer[] = {"clone",       "ptrace", "wait4", "prctl", "process_vm_readv",
                                               "personality", "kill",   "tgkill"};
#else
constexpr std::span<const std::string_view> of_a_sanitizer;
#endif

class call_filter {
 public:
    call_filter() noexcept : filter_(seccomp_init(SCMP_ACT_ERRNO(ENOSYS))) {}
    ~call_filter() { seccomp_release(filter_); }
    call_filter(const call_filter&) = delete;
    call_filter& operator=(const call_filter&) = delete;

    void add(std::uint32_t action, std::string_view call) noexcept {
        const int number = seccomp_syscall_resolve_name(std::string(call).c_str());
        if (number != __NR_SCMP_ERROR) note(seccomp_rule_add(filter_, action, number, 0));
    }
    void allow_if(std::string_view call, scmp_arg_cmp condition) noexcept {
        const int number = seccomp_syscall_resolve_name(std::string(call).c_str());
        if (number != __NR_SCMP_ERROR)
            note(seccomp_rule_add_array(filter_, SCMP_ACT_ALLOW, number, 1, &condition));
    }
    /// Is looked for before all that come behind it here.
    void put_first(std::span<const std::string_view> calls) noexcept {
        std::uint8_t priority = 255;
        for (const std::string_view each : calls) {
            const int number = seccomp_syscall_resolve_name(std::string(each).c_str());
            if (number != __NR_SCMP_ERROR) note(seccomp_syscall_priority(filter_, number, priority--));
        }
    }
    int load() noexcept {
        note(seccomp_attr_set(filter_, SCMP_FLTATR_CTL_TSYNC, 1));
        return error_ != 0 ? error_ : seccomp_load(filter_);
    }

 private:
    void note(int result) noexcept {
        if (result != 0 && error_ == 0) error_ = result;
    }
    scmp_filter_ctx filter_;
    int error_ = 0;
};

scmp_arg_cmp equal(unsigned argument, std::uint64_t value) noexcept {
    return {argument, SCMP_CMP_EQ, value, 0};
}
scmp_arg_cmp masked(unsigned argument, std::uint64_t mask, std::uint64_t value) noexcept {
    return {argument, SCMP_CMP_MASKED_EQ, mask, value};
}

constexpr std::uint64_t clone_thread = 0x00010000;
constexpr std::uint64_t clone_new_anything = 0x7e020000;  // namespaces
constexpr std::uint64_t fast_open = 0x20000000;           // MSG_FASTOPEN connects

// What requests are made of. The kernel remembers of a call that is allowed whatever it is given that it is,
// and asks the filter no more (Linux 5.11); of those with conditions it asks each time.
constexpr std::string_view of_each_request[] = {"sendto",      "sendmsg",    "ioctl",    "io_uring_enter",
                                                "epoll_pwait", "epoll_wait", "recvfrom", "writev",
                                                "sendfile",    "accept4"};

bool is_of_a_sanitizer(std::string_view call) noexcept {
    return std::ranges::find(of_a_sanitizer, call) != std::ranges::end(of_a_sanitizer);
}

void fill(call_filter& filter) noexcept {
    for (const std::string_view each : allowed_calls)
        filter.add(SCMP_ACT_ALLOW, each);
    for (const std::string_view each : of_a_sanitizer)
        filter.add(SCMP_ACT_ALLOW, each);
    const auto conditional = [&](std::string_view call, scmp_arg_cmp condition) {
        if (!is_of_a_sanitizer(call)) filter.allow_if(call, condition);
    };
    conditional("clone", masked(0, clone_thread | clone_new_anything, clone_thread));
    conditional("sendto", masked(3, fast_open, 0));
    conditional("sendmsg", masked(2, fast_open, 0));
    conditional("tgkill", equal(0, static_cast<std::uint64_t>(::getpid())));
    for (const int option : {PR_SET_NAME, PR_GET_NAME, PR_GET_DUMPABLE, 0x53564d41 /* PR_SET_VMA */})
        conditional("prctl", equal(0, static_cast<std::uint64_t>(option)));
    for (const unsigned long request :
         {static_cast<unsigned long>(FIONREAD), static_cast<unsigned long>(FIONBIO),
          static_cast<unsigned long>(TIOCOUTQ), static_cast<unsigned long>(TCGETS)})
        conditional("ioctl", equal(1, request));
}

#endif

}  // namespace

std::vector<std::string> enter_sandbox(const sandbox_rules& rules) {
    std::vector<std::string> lacking;
    if (rules.user) become(*rules.user);
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        lacking.push_back("no_new_privs: " + std::generic_category().message(errno));
    if (rules.confines_files) confine_files(rules, lacking);
    return lacking;
}

std::vector<std::string> confine_calls() {
#ifdef NARU_HAS_SECCOMP
    call_filter filter;
    fill(filter);
    for (const std::string_view each : refused_calls) {
        if (!is_of_a_sanitizer(each)) filter.add(SCMP_ACT_ERRNO(EPERM), each);
    }
    filter.put_first(of_each_request);
    if (const int error = filter.load(); error != 0)
        return {"no filter of system calls: " + std::generic_category().message(-error)};
    return {};
#else
    return {"no filter of system calls: this program was built without libseccomp"};
#endif
}

section examine_sandbox() {
    section found{"sandbox", "What the process that serves gives up", {}};
    const auto add = [&](std::string name, bool good, std::string value, std::string advice) {
        finding& line = found.findings.emplace_back();
        line.name = std::move(name);
        line.good = good;
        line.value = std::move(value);
        if (!good) line.advice = std::move(advice);
    };
    const long version = landlock::version();
    add("files (Landlock)", version >= 1, version >= 1 ? fmt::format("yes, version {}", version) : "no",
        "needs Linux 5.13 with landlock among its security modules (lsm=)");
    add("connecting (Landlock)", version >= 4, version >= 4 ? "yes" : "no", "needs Linux 6.7");
#ifdef NARU_HAS_SECCOMP
    const bool filters = ::prctl(PR_GET_SECCOMP, 0, 0, 0, 0) >= 0;
    add("system calls (seccomp)", filters, filters ? "yes" : "no",
        "needs a kernel with CONFIG_SECCOMP_FILTER");
#else
    add("system calls (seccomp)", false, "no", "this program was built without libseccomp");
#endif
    return found;
}

}  // namespace naru::program
