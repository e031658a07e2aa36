// select(2): three bit sets, copied to the kernel and scanned by it and by us at each call; descriptors past
// FD_SETSIZE do not fit and are refused.
#include <naru/backend/readiness/poller.hpp>
#include <naru/core/result.hpp>

#include <array>
#include <cerrno>
#include <vector>

#include <fcntl.h>
#include <sys/select.h>

namespace naru {

namespace {

class select_poller final : public poller {
 public:
    select_poller() : poller(reporting::level, FD_SETSIZE) {
        FD_ZERO(&reads_);
        FD_ZERO(&writes_);
        reports_.reserve(FD_SETSIZE);
    }

    std::error_code set_interest(int descriptor, std::uint64_t token, interest /*was*/,
                                 interest want) noexcept override {
        if (descriptor < 0) return {EBADF, std::system_category()};
        if (descriptor >= FD_SETSIZE) return make_error_code(errc::select_descriptor_limit);
        tokens_[static_cast<std::size_t>(descriptor)] = token;
        assign(reads_, descriptor, has(want, interest::read));
        assign(writes_, descriptor, has(want, interest::write));
        if (want != interest::none && descriptor > highest_) highest_ = descriptor;
        while (highest_ >= 0 && !FD_ISSET(highest_, &reads_) && !FD_ISSET(highest_, &writes_))
            --highest_;
        return {};
    }

    std::span<const readiness> wait(int milliseconds) noexcept override {
        reports_.clear();
        fd_set reads = reads_;  // the kernel overwrites what it is given
        fd_set writes = writes_;
        timeval limit{};
        limit.tv_sec = milliseconds / 1000;
        limit.tv_usec = (milliseconds % 1000) * 1000;
        int left = select(highest_ + 1, &reads, &writes, nullptr, milliseconds < 0 ? nullptr : &limit);
        if (left < 0 && errno == EBADF) return find_gone();
        for (int descriptor = 0; left > 0 && descriptor <= highest_; ++descriptor) {
            readiness report;
            report.readable = FD_ISSET(descriptor, &reads);
            report.writable = FD_ISSET(descriptor, &writes);
            if (!report.readable && !report.writable) continue;
            left -= int{report.readable} + int{report.writable};
            report.token = tokens_[static_cast<std::size_t>(descriptor)];
            reports_.push_back(report);  // select has no hang-up: it looks like data, and the read tells
        }
        return reports_;
    }

 private:
    // One number that names no open file hides what is ready on all others: select does not say which it is.
    std::span<const readiness> find_gone() noexcept {
        for (int descriptor = 0; descriptor <= highest_; ++descriptor) {
            if (!FD_ISSET(descriptor, &reads_) && !FD_ISSET(descriptor, &writes_)) continue;
            if (fcntl(descriptor, F_GETFD) >= 0) continue;
            readiness report;
            report.token = tokens_[static_cast<std::size_t>(descriptor)];
            report.readable = report.writable = report.hangup = report.gone = true;
            reports_.push_back(report);
        }
        return reports_;
    }

    static void assign(fd_set& set, int descriptor, bool member) noexcept {
        if (member) {
            FD_SET(descriptor, &set);
        } else {
            FD_CLR(descriptor, &set);
        }
    }

    fd_set reads_;
    fd_set writes_;
    int highest_ = -1;
    std::array<std::uint64_t, FD_SETSIZE> tokens_{};
    std::vector<readiness> reports_;
};

}  // namespace

std::unique_ptr<poller> make_select_poller() { return std::make_unique<select_poller>(); }

}  // namespace naru
