// WSAPoll: an array of sockets, copied to the kernel and scanned by it and by us at each call. A refused
// connect is reported since Windows 10 2004; before, it was not, and the attempt ends at its deadline.
#include <naru/backend/readiness/poller.hpp>
#include <naru/core/limits.hpp>
#include <naru/core/result.hpp>
#include <naru/os/windows_api.hpp>

#include <cerrno>
#include <new>
#include <unordered_map>
#include <vector>

namespace naru {

namespace {

class poll_poller final : public poller {
 public:
    poll_poller() : poller(reporting::level) { reports_.reserve(limits::events_per_wait); }

    std::error_code set_interest(int descriptor, std::uint64_t token, interest was,
                                 interest want) noexcept override {
        const SOCKET socket = windows::socket_of(descriptor);
        try {
            if (was == interest::none && want != interest::none) {
                if (const std::int64_t refusal = windows::check_socket(socket); refusal < 0)
                    return outcome::to_error(refusal);
                add(socket, token);
            }
        } catch (const std::bad_alloc&) {
            return {ENOMEM, errno_category()};
        }
        const auto found = positions_.find(socket);
        if (found == positions_.end()) return {};
        if (want == interest::none) {
            remove(found->second);
        } else {
            entries_[found->second].events = events_of(want);
        }
        return {};
    }

    std::span<const readiness> wait(int milliseconds) noexcept override {
        reports_.clear();
        const std::size_t count = entries_.size();
        int left = WSAPoll(entries_.data(), static_cast<ULONG>(count), milliseconds);
        // Starts where the last call stopped: when more are ready than fit, the last are not always the same.
        for (std::size_t step = 0; left > 0 && step < count; ++step) {
            if (++next_ >= count) next_ = 0;
            const WSAPOLLFD& entry = entries_[next_];
            if (entry.revents == 0) continue;
            --left;
            readiness report;
            report.token = tokens_[next_];
            report.hangup = (entry.revents & (POLLHUP | POLLERR | POLLNVAL)) != 0;
            report.readable = (entry.revents & POLLRDNORM) != 0 || report.hangup;
            report.writable = (entry.revents & (POLLWRNORM | POLLHUP | POLLERR | POLLNVAL)) != 0;
            report.gone = (entry.revents & POLLNVAL) != 0;
            reports_.push_back(report);
            if (reports_.size() == limits::events_per_wait) break;
        }
        return reports_;
    }

 private:
    static short events_of(interest want) noexcept {
        return static_cast<short>((has(want, interest::read) ? POLLRDNORM : 0) |
                                  (has(want, interest::write) ? POLLWRNORM : 0));
    }

    void add(SOCKET socket, std::uint64_t token) {
        const auto [place, fresh] = positions_.try_emplace(socket, entries_.size());
        if (!fresh) {
            tokens_[place->second] = token;
            return;
        }
        WSAPOLLFD entry{};
        entry.fd = socket;
        try {
            entries_.push_back(entry);
            tokens_.push_back(token);
        } catch (const std::bad_alloc&) {
            entries_.resize(tokens_.size());
            positions_.erase(place);
            throw;
        }
    }

    void remove(std::size_t gap) noexcept {  // the last entry moves into the gap: O(1)
        positions_.erase(entries_[gap].fd);
        if (gap + 1 < entries_.size()) {
            entries_[gap] = entries_.back();
            tokens_[gap] = tokens_.back();
            positions_.find(entries_[gap].fd)->second = gap;
        }
        entries_.pop_back();
        tokens_.pop_back();
    }

    std::vector<WSAPOLLFD> entries_;
    std::vector<std::uint64_t> tokens_;  // parallel to entries_
    std::unordered_map<SOCKET, std::size_t> positions_;
    std::vector<readiness> reports_;
    std::size_t next_ = 0;
};

}  // namespace

std::unique_ptr<poller> make_poll_poller() { return std::make_unique<poll_poller>(); }

}  // namespace naru
