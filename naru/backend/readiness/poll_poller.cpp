// poll(2): an array of descriptors, copied to the kernel and scanned by it and by us at each call.
#include <naru/backend/readiness/poller.hpp>
#include <naru/core/check.hpp>
#include <naru/core/limits.hpp>

#include <cerrno>
#include <new>
#include <vector>

#include <poll.h>

namespace naru {

namespace {

class poll_poller final : public poller {
 public:
    poll_poller() : poller(reporting::level) { reports_.reserve(limits::events_per_wait); }

    std::error_code set_interest(int descriptor, std::uint64_t token, interest was,
                                 interest want) noexcept override {
        if (descriptor < 0) return {EBADF, std::system_category()};
        try {
            if (was == interest::none && want != interest::none) add(descriptor, token);
        } catch (const std::bad_alloc&) {
            return {ENOMEM, std::system_category()};
        }
        const auto key = static_cast<std::size_t>(descriptor);
        if (key >= positions_.size() || positions_[key] == absent) return {};
        if (want == interest::none) {
            remove(key);
        } else {
            entries_[positions_[key]].events = events_of(want);
        }
        return {};
    }

    std::span<const readiness> wait(int milliseconds) noexcept override {
        reports_.clear();
        int left = poll(entries_.data(), entries_.size(), milliseconds);
        // Starts where the last call stopped: when more are ready than fit, the last are not always the same.
        const std::size_t count = entries_.size();
        for (std::size_t step = 0; left > 0 && step < count; ++step) {
            if (++next_ >= count) next_ = 0;
            const pollfd& entry = entries_[next_];
            if (entry.revents == 0) continue;
            --left;
            readiness report;
            report.token = tokens_[next_];
            report.hangup = (entry.revents & (POLLHUP | POLLERR | POLLRDHUP | POLLNVAL)) != 0;
            report.readable = (entry.revents & POLLIN) != 0 || report.hangup;
            report.writable = (entry.revents & (POLLOUT | POLLHUP | POLLERR)) != 0;
            report.gone = (entry.revents & POLLNVAL) != 0;
            reports_.push_back(report);
            if (reports_.size() == limits::events_per_wait) break;
        }
        return reports_;
    }

 private:
    static constexpr std::uint32_t absent = ~0u;

    static short events_of(interest want) noexcept {
        return static_cast<short>((has(want, interest::read) ? POLLIN | POLLRDHUP : 0) |
                                  (has(want, interest::write) ? POLLOUT : 0));
    }

    void add(int descriptor, std::uint64_t token) {
        const auto key = static_cast<std::size_t>(descriptor);
        if (key >= positions_.size()) positions_.resize(key + 1, absent);
        if (positions_[key] != absent) {
            tokens_[positions_[key]] = token;
            return;
        }
        pollfd entry{};
        entry.fd = descriptor;
        try {
            entries_.push_back(entry);
            tokens_.push_back(token);
        } catch (const std::bad_alloc&) {
            entries_.resize(tokens_.size());
            throw;
        }
        positions_[key] = static_cast<std::uint32_t>(entries_.size() - 1);
    }

    void remove(std::size_t key) noexcept {  // the last entry moves into the gap: O(1)
        const std::uint32_t gap = positions_[key];
        entries_[gap] = entries_.back();
        tokens_[gap] = tokens_.back();
        positions_[static_cast<std::size_t>(entries_[gap].fd)] = gap;
        entries_.pop_back();
        tokens_.pop_back();
        positions_[key] = absent;
    }

    std::vector<pollfd> entries_;
    std::vector<std::uint64_t> tokens_;     // parallel to entries_
    std::vector<std::uint32_t> positions_;  // by descriptor
    std::vector<readiness> reports_;
    std::size_t next_ = 0;
};

}  // namespace

std::unique_ptr<poller> make_poll_poller() { return std::make_unique<poll_poller>(); }

}  // namespace naru
