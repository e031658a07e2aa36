// epoll(7): interests stay in the kernel; a wait returns the ready ones only, whatever the number of idle.
#include <naru/backend/readiness/poller.hpp>
#include <naru/core/limits.hpp>
#include <naru/os/bare_calls.hpp>

#include <array>
#include <cerrno>
#include <system_error>

#include <sys/epoll.h>
#include <unistd.h>

namespace naru {

namespace {

class epoll_poller final : public poller {
 public:
    explicit epoll_poller(reporting mode) : poller(mode), epoll_(epoll_create1(EPOLL_CLOEXEC)) {
        if (epoll_ < 0) throw std::system_error(errno, std::system_category(), "epoll_create1");
    }
    ~epoll_poller() override { close(epoll_); }

    std::error_code set_interest(int descriptor, std::uint64_t token, interest was,
                                 interest want) noexcept override {
        epoll_event event{};
        event.data.u64 = token;
        event.events = (has(want, interest::read) ? std::uint32_t{EPOLLIN} | EPOLLRDHUP : 0u) |
                       (has(want, interest::write) ? std::uint32_t{EPOLLOUT} : 0u);
        if (mode() == reporting::edge)
            event.events |= EPOLLET | (has(want, interest::read) ? std::uint32_t{EPOLLPRI} : 0u);
        if (mode() == reporting::one_shot) event.events |= EPOLLONESHOT;
        const int change = want == interest::none  ? EPOLL_CTL_DEL
                           : was == interest::none ? EPOLL_CTL_ADD
                                                   : EPOLL_CTL_MOD;
        if (epoll_ctl(epoll_, change, descriptor, &event) == 0) return {};
        // A number that was closed while a copy of it lives is still in the set. Here it is, for the same
        // file.
        if (change == EPOLL_CTL_ADD && errno == EEXIST &&
            epoll_ctl(epoll_, EPOLL_CTL_MOD, descriptor, &event) == 0)
            return {};
        return {errno, std::system_category()};
    }

    std::span<const readiness> wait(int milliseconds) noexcept override {
        const int count =
            naru_bare_epoll_wait(epoll_, events_.data(), static_cast<int>(events_.size()), milliseconds);
        std::size_t filled = 0;
        for (int index = 0; index < count; ++index) {
            const epoll_event& event = events_[static_cast<std::size_t>(index)];
            readiness& report = reports_[filled++];
            report.token = event.data.u64;
            report.hangup = (event.events & (EPOLLHUP | EPOLLERR | EPOLLRDHUP)) != 0;
            report.readable = (event.events & EPOLLIN) != 0 || report.hangup;
            report.writable = (event.events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0;
            report.urgent = (event.events & EPOLLPRI) != 0;
        }
        return {reports_.data(), filled};
    }

 private:
    int epoll_;
    std::array<epoll_event, limits::events_per_wait> events_{};
    std::array<readiness, limits::events_per_wait> reports_{};
};

}  // namespace

std::unique_ptr<poller> make_epoll_poller(poller::reporting mode) {
    return std::make_unique<epoll_poller>(mode);
}

}  // namespace naru
