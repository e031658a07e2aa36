#include <naru/load/machine.hpp>

#include <naru/load/text_file.hpp>
#include <naru/net/socket.hpp>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <string>

#include <netinet/in.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>

namespace naru::load {

namespace {

std::string_view next_word(std::string_view& text) noexcept {
    const std::size_t first = text.find_first_not_of(' ');
    if (first == std::string_view::npos) return text = {};
    text.remove_prefix(first);
    const std::size_t end = std::min(text.find(' '), text.size());
    const std::string_view word = text.substr(0, end);
    text.remove_prefix(end);
    return word;
}

std::string_view next_line(std::string_view& text) noexcept {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    return line;
}

}  // namespace

thread_counters read_thread_counters() noexcept {
    thread_counters now;
    timespec used{};
    if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used) == 0)
        now.on_cpu = std::chrono::seconds(used.tv_sec) + duration(used.tv_nsec);
    if (std::FILE* file = std::fopen("/proc/thread-self/schedstat", "re")) {
        unsigned long long on_cpu = 0;
        unsigned long long waiting = 0;
        if (std::fscanf(file, "%llu %llu", &on_cpu, &waiting) == 2)
            now.waiting_cpu = duration(static_cast<std::int64_t>(waiting));
        std::fclose(file);
    }
    return now;
}

// Two lines: the names, and the numbers in the same order.
void parse_netstat(std::string_view text, machine_counters& into) {
    while (!text.empty()) {
        std::string_view names = next_line(text);
        std::string_view numbers = next_line(text);
        if (next_word(names) != "TcpExt:" || next_word(numbers) != "TcpExt:") continue;
        while (true) {
            const std::string_view name = next_word(names);
            const std::string_view number = next_word(numbers);
            if (name.empty() || number.empty()) return;
            if (name == "ListenOverflows") into.listen_overflows = to_number(number);
            if (name == "ListenDrops") into.listen_drops = to_number(number);
        }
    }
}

// cpu user nice system idle iowait irq softirq steal guest guest_nice; guest time is part of user's.
void parse_stat(std::string_view text, machine_counters& into) {
    std::string_view line = next_line(text);
    if (next_word(line) != "cpu") return;
    std::uint64_t all = 0;
    for (unsigned column = 0; column < 8; ++column) {
        const auto ticks = to_number(next_word(line));
        if (!ticks) return;
        all += *ticks;
        if (column == 7) into.steal_ticks = ticks;
    }
    into.all_ticks = all;
}

machine_counters read_machine_counters() {
    machine_counters now;
    parse_netstat(read_whole("/proc/net/netstat"), now);
    parse_stat(read_whole("/proc/stat"), now);
    return now;
}

std::size_t raise_descriptor_limit() noexcept {
    rlimit limit{};
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
    if (limit.rlim_cur != limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
        (void)getrlimit(RLIMIT_NOFILE, &limit);
    }
    return limit.rlim_cur;
}

bool is_loopback(const address& target) noexcept {
    if (target.family() == AF_INET) {
        sockaddr_in four{};
        std::memcpy(&four, target.data(), sizeof four);
        return (ntohl(four.sin_addr.s_addr) >> 24) == 127;
    }
    sockaddr_in6 six{};
    std::memcpy(&six, target.data(), sizeof six);
    return IN6_IS_ADDR_LOOPBACK(&six.sin6_addr);
}

bool is_local(const address& target) noexcept {
    if (is_loopback(target)) return true;
    sockaddr_storage there{};
    std::memcpy(&there, target.data(), target.size());
    if (target.family() == AF_INET) {
        reinterpret_cast<sockaddr_in&>(there).sin_port = 0;
    } else {
        reinterpret_cast<sockaddr_in6&>(there).sin6_port = 0;
    }
    const unique_descriptor trial(::socket(target.family(), SOCK_DGRAM | SOCK_CLOEXEC, 0));
    return trial && ::bind(trial.get(), reinterpret_cast<const sockaddr*>(&there), target.size()) == 0;
}

result<void> probe(const address& target, duration limit) noexcept {
    auto made = stream_socket_for(target);
    if (!made) return fail(made.error());
    if (::connect(made->get(), static_cast<const sockaddr*>(target.data()), target.size()) == 0) return {};
    if (errno != EINPROGRESS) return fail_errno(errno);
    pollfd waiting{made->get(), POLLOUT, 0};
    const auto milliseconds = std::chrono::ceil<std::chrono::milliseconds>(limit).count();
    int ready = 0;
    do {
        ready = ::poll(&waiting, 1, static_cast<int>(milliseconds));
    } while (ready < 0 && errno == EINTR);
    if (ready == 0) return fail_errno(ETIMEDOUT);
    int error = 0;
    socklen_t size = sizeof error;
    if (getsockopt(made->get(), SOL_SOCKET, SO_ERROR, &error, &size) != 0) return fail_errno(errno);
    if (error != 0) return fail_errno(error);
    return {};
}

}  // namespace naru::load
