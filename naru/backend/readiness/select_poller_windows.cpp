// Winsock's select: three lists of sockets (not bit sets: a socket's number does not matter, how many there
// are does), copied to the kernel and compacted by it at each call. The third list is where a refused connect
// shows.

// How many sockets the lists of this file hold. "FD_SETSIZE can be modified by defining it before including
// Winsock2.h" (select, Microsoft's documentation); the system's own limit is memory.
#define FD_SETSIZE 16384

#include <naru/backend/readiness/poller.hpp>
#include <naru/core/result.hpp>
#include <naru/os/windows_api.hpp>

#include <cerrno>
#include <memory>
#include <new>
#include <unordered_map>
#include <vector>

namespace naru {

namespace {

class select_poller final : public poller {
 public:
    select_poller() : poller(reporting::level) {
        reported_.reserve(FD_SETSIZE);
        reports_.reserve(FD_SETSIZE);
    }

    std::error_code set_interest(int descriptor, std::uint64_t token, interest was,
                                 interest want) noexcept override {
        const SOCKET socket = windows::socket_of(descriptor);
        try {
            if (was == interest::none && want != interest::none) {
                if (const std::error_code refusal = add(socket, token)) return refusal;
            }
        } catch (const std::bad_alloc&) {
            return {ENOMEM, errno_category()};
        }
        const auto found = positions_.find(socket);
        if (found == positions_.end()) return {};
        if (want == interest::none) {
            remove(found->second);
        } else {
            entries_[found->second].wanted = want;
        }
        return {};
    }

    std::span<const readiness> wait(int milliseconds) noexcept override {
        reports_.clear();
        sets_->clear();
        for (const entry& each : entries_) {
            if (has(each.wanted, interest::read)) add_to(sets_->reads, each.socket);
            if (has(each.wanted, interest::write)) {
                add_to(sets_->writes, each.socket);
                add_to(sets_->failures, each.socket);
            }
        }
        timeval limit{};
        limit.tv_sec = milliseconds / 1000;
        limit.tv_usec = (milliseconds % 1000) * 1000;
        if (select(0, &sets_->reads, &sets_->writes, &sets_->failures, milliseconds < 0 ? nullptr : &limit) <=
            0)
            return {};
        // A socket may be in more than one list: its flags are gathered before they are reported.
        for_each_in(sets_->reads, [](readiness& report) { report.readable = true; });
        for_each_in(sets_->writes, [](readiness& report) { report.writable = true; });
        for_each_in(sets_->failures,
                    [](readiness& report) { report.readable = report.writable = report.hangup = true; });
        for (const std::size_t position : reported_) {
            reports_.push_back(entries_[position].report);
            entries_[position].report = {};
        }
        reported_.clear();
        return reports_;
    }

 private:
    struct entry {
        SOCKET socket = INVALID_SOCKET;
        std::uint64_t token = 0;
        interest wanted = interest::none;
        readiness report;  // while a wait's lists are gone through
    };
    struct lists {
        fd_set reads;
        fd_set writes;
        fd_set failures;
        void clear() noexcept { reads.fd_count = writes.fd_count = failures.fd_count = 0; }
    };

    static void add_to(fd_set& list, SOCKET socket) noexcept { list.fd_array[list.fd_count++] = socket; }

    std::error_code add(SOCKET socket, std::uint64_t token) {
        if (const std::int64_t refusal = windows::check_socket(socket); refusal < 0)
            return outcome::to_error(refusal);
        const auto [place, fresh] = positions_.try_emplace(socket, entries_.size());
        if (!fresh) {
            entries_[place->second].token = token;
            return {};
        }
        if (entries_.size() == FD_SETSIZE) {
            positions_.erase(place);
            return make_error_code(errc::select_descriptor_limit);
        }
        entry made;
        made.socket = socket;
        made.token = token;
        try {
            entries_.push_back(made);
        } catch (const std::bad_alloc&) {
            positions_.erase(place);
            throw;
        }
        return {};
    }

    void remove(std::size_t gap) noexcept {  // the last entry moves into the gap: O(1)
        positions_.erase(entries_[gap].socket);
        if (gap + 1 < entries_.size()) {
            entries_[gap] = entries_.back();
            positions_.find(entries_[gap].socket)->second = gap;
        }
        entries_.pop_back();
    }

    template <class Mark>
    void for_each_in(const fd_set& list, Mark mark) noexcept {
        for (u_int index = 0; index < list.fd_count; ++index) {
            const std::size_t position = positions_.find(list.fd_array[index])->second;
            readiness& report = entries_[position].report;
            if (report.token == 0) {  // no token is 0: a generation is odd
                report.token = entries_[position].token;
                reported_.push_back(position);
            }
            mark(report);
        }
    }

    std::vector<entry> entries_;
    std::unordered_map<SOCKET, std::size_t> positions_;
    std::unique_ptr<lists> sets_ = std::make_unique<lists>();
    std::vector<std::size_t> reported_;
    std::vector<readiness> reports_;
};

}  // namespace

std::unique_ptr<poller> make_select_poller() { return std::make_unique<select_poller>(); }

}  // namespace naru
