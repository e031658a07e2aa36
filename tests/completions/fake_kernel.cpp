#include "completions/fake_kernel.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ranges>
#include <utility>

#include <sys/socket.h>
#include <sys/uio.h>

namespace naru::testing {

std::array<std::uint64_t, static_cast<std::size_t>(happening::kinds)> fake_kernel::happened{};

namespace {

fake_kernel* now = nullptr;

unsigned sum_of(const std::vector<std::pair<const std::byte*, std::size_t>>& pieces) noexcept {
    unsigned sum = 0;
    for (const auto& [data, size] : pieces) {
        for (std::size_t each = 0; each < size; ++each)
            sum = sum * 31 + std::to_integer<unsigned>(data[each]);
    }
    return sum;
}

}  // namespace

fake_kernel::fake_kernel(choices& decides, kernel_watcher& told, unsigned first_number) noexcept
    : choose_(decides), watcher_(told), first_number_(first_number) {
    now = this;
}

fake_kernel::~fake_kernel() { now = nullptr; }

fake_kernel& fake_kernel::current() noexcept {
    if (now == nullptr) broken("a call without a kernel");
    return *now;
}

// ---------------------------------------------------------------------------------------- descriptors

int fake_kernel::make(fake_kind kind) {
    // Files all have the same bytes: who opens one by name does not know which it is.
    const unsigned number = kind == fake_kind::file ? 0 : ++files_made_;
    return number_for(std::make_shared<fake_file>(kind, number));
}

file_pointer fake_kernel::file_of(int descriptor) const noexcept {
    const auto found = descriptors_.find(descriptor);
    return found != descriptors_.end() ? found->second : nullptr;
}

// The lowest that is free, as the system does: who keeps the number of one that is closed meets the next.
int fake_kernel::number_for(const file_pointer& file) noexcept {
    auto number = static_cast<int>(first_number_);
    while (descriptors_.contains(number))
        ++number;
    descriptors_.emplace(number, file);
    ++file->names;
    return number;
}

int fake_kernel::place_for(const file_pointer& file) noexcept {
    const auto free = std::ranges::find(table_, nullptr);
    if (free == table_.end()) return -ENFILE;
    *free = file;
    ++file->names;
    count(happening::direct);
    return static_cast<int>(free - table_.begin());
}

void fake_kernel::give_up_name(const file_pointer& file) noexcept {
    if (file->names == 0) broken("a file is closed that is closed already", file->number);
    --file->names;
}

std::size_t fake_kernel::places_taken() const noexcept {
    return table_.size() - static_cast<std::size_t>(std::ranges::count(table_, nullptr));
}

void fake_kernel::close(int descriptor) noexcept {
    const auto found = descriptors_.find(descriptor);
    if (found == descriptors_.end()) broken("a descriptor is closed that is not there", descriptor);
    give_up_name(found->second);
    descriptors_.erase(found);
}

// ---------------------------------------------------------------------------------------- completions

void fake_kernel::put(const io_uring_cqe& completion) noexcept {
    if (late_.empty() && ready_.size() < room_) {
        ready_.push_back(completion);
        return;
    }
    count(happening::overflow);
    late_.push_back(completion);
}

void fake_kernel::flush() noexcept {
    while (!late_.empty() && ready_.size() < room_) {
        ready_.push_back(late_.front());
        late_.pop_front();
    }
}

void fake_kernel::post(const request& of, int result, unsigned flags) noexcept {
    if (result < 0 && of.file != nullptr) of.file->told.insert(result);
    watcher_.told(of.entry.user_data, of.entry.opcode, result, flags);
    io_uring_cqe completion{};
    completion.user_data = of.entry.user_data;
    completion.res = result;
    completion.flags = flags;
    put(completion);
}

// The last completion of a request. What is linked behind it has its turn, or none.
void fake_kernel::end(pending_list::iterator which, int result, unsigned flags) noexcept {
    std::unique_ptr<request> ended = std::move(*which);
    pending_.erase(which);
    if (ended->multishot) count(happening::multishot_ended);
    if (result == -EAGAIN) count(happening::must_wait);
    const bool silent = (ended->entry.flags & IOSQE_CQE_SKIP_SUCCESS) != 0 && result >= 0;
    if (!silent) post(*ended, result, flags);
    const std::uint8_t opcode = ended->entry.opcode;
    const bool counts = opcode == IORING_OP_READ || opcode == IORING_OP_WRITE || opcode == IORING_OP_SEND;
    const bool well = result >= 0 && (!counts || result == static_cast<int>(ended->entry.len));
    follow(std::move(ended), well);
}

void fake_kernel::follow(std::unique_ptr<request> ended, bool well) noexcept {
    if (ended->behind == nullptr) return;
    if (well) {
        begin(std::move(ended->behind));
        return;
    }
    count(happening::chain_cut);
    for (std::unique_ptr<request> each = std::move(ended->behind); each != nullptr;
         each = std::move(each->behind))
        post(*each, -ECANCELED, 0);
}

void fake_kernel::notify(std::size_t which) noexcept {
    const notice owed = std::move(notices_[which]);
    notices_.erase(notices_.begin() + static_cast<std::ptrdiff_t>(which));
    if (sum_of(owed.pieces) != owed.sum) broken("memory was touched before it was free");
    watcher_.told(owed.user_data, IORING_OP_SEND_ZC, 0, IORING_CQE_F_NOTIF);
    io_uring_cqe completion{};
    completion.user_data = owed.user_data;
    completion.flags = IORING_CQE_F_NOTIF;
    put(completion);
}

// ---------------------------------------------------------------------------------------- the ring

void fake_kernel::set_up(unsigned entries, unsigned completions) noexcept {
    queue_.resize(entries);
    room_ = completions;
}

void fake_kernel::allow(std::span<const std::uint8_t> operations) noexcept {
    for (const std::uint8_t each : operations)
        allowed_.set(each);
}

int fake_kernel::register_call(unsigned operation, const void* argument, unsigned /*count*/) noexcept {
    switch (operation) {
        case IORING_REGISTER_PBUF_RING: {
            const auto& given = *static_cast<const io_uring_buf_reg*>(argument);
            lent_ = reinterpret_cast<io_uring_buf_ring*>(given.ring_addr);
            lent_entries_ = given.ring_entries;
            return 0;
        }
        case IORING_REGISTER_FILES2:
            table_.resize(static_cast<const io_uring_rsrc_register*>(argument)->nr);
            return 0;
        case IORING_UNREGISTER_FILES:
            for (file_pointer& each : table_) {
                if (each != nullptr) give_up_name(each);
                each = nullptr;
            }
            return 0;
        default:
            return 0;
    }
}

int fake_kernel::enter(unsigned tail, bool events) noexcept {
    constexpr int refusals[] = {-EAGAIN, -EBUSY, -EINTR, -ENOMEM};
    // Never twice: a ring that takes nothing any more is of no use to anybody.
    const bool refuses = !refused_ && tail != head_ && one_in(16);
    refused_ = refuses;
    if (refuses) {
        count(happening::refused_enter);
        if (events) flush();
        return refusals[below(std::size(refusals))];
    }
    submit(tail);
    if (!events) return 0;
    flush();
    if (mood_ == mood::chosen) {
        proceed();
    } else {
        proceed_calmly();
    }
    return one_in(16) ? -EINTR : ready_.empty() ? -ETIME : 0;
}

void fake_kernel::submit(unsigned tail) noexcept {
    while (head_ != tail) {
        if (varies_ && one_in(8)) return count(happening::part_taken);
        std::unique_ptr<request> first;
        request* last = nullptr;
        bool linked = true;
        while (linked && head_ != tail) {
            auto fresh = std::make_unique<request>();
            fresh->entry = queue_[head_++ & (queue_.size() - 1)];
            if (!allowed_.test(fresh->entry.opcode))
                broken("an operation that was not declared", fresh->entry.opcode);
            gather(*fresh);
            linked = (fresh->entry.flags & IOSQE_IO_LINK) != 0;
            request* const next = fresh.get();
            (last != nullptr ? last->behind : first) = std::move(fresh);
            last = next;
        }
        begin(std::move(first));
    }
}

// What a send is to take, as the kernel copies it when it takes the entry: the bytes are looked at later.
void fake_kernel::gather(request& of) noexcept {
    const io_uring_sqe& entry = of.entry;
    const auto add = [&of](const iovec* each, std::size_t size) {
        for (; size > 0; --size, ++each)
            of.pieces.emplace_back(static_cast<const std::byte*>(each->iov_base), each->iov_len);
    };
    switch (entry.opcode) {
        case IORING_OP_SEND:
        case IORING_OP_SEND_ZC:
        case IORING_OP_WRITE:
            of.pieces.emplace_back(reinterpret_cast<const std::byte*>(entry.addr), entry.len);
            return;
        case IORING_OP_SENDMSG:
        case IORING_OP_SENDMSG_ZC: {
            const auto& message = *reinterpret_cast<const msghdr*>(entry.addr);
            add(message.msg_iov, message.msg_iovlen);
            return;
        }
        case IORING_OP_WRITEV:
            add(reinterpret_cast<const iovec*>(entry.addr), entry.len);
            return;
        default:
            return;
    }
}

// False if there is none, which is an outcome where a file is looked up that may not be open.
bool fake_kernel::look_up(request& of) noexcept {
    const io_uring_sqe& entry = of.entry;
    switch (entry.opcode) {
        case IORING_OP_NOP:
        case IORING_OP_TIMEOUT:
        case IORING_OP_CLOSE:
        case IORING_OP_OPENAT:
        case IORING_OP_ASYNC_CANCEL:
        case IORING_OP_FILES_UPDATE:
            return true;
        default:
            break;
    }
    if ((entry.flags & IOSQE_FIXED_FILE) != 0) {
        const auto place = static_cast<std::size_t>(entry.fd);
        if (place >= table_.size()) broken("a place that the table does not have", entry.fd);
        of.file = table_[place];
    } else {
        of.file = file_of(entry.fd);
    }
    if (of.file != nullptr) return true;
    const bool of_files = entry.opcode == IORING_OP_READ || entry.opcode == IORING_OP_WRITE ||
                          entry.opcode == IORING_OP_FSYNC || entry.opcode == uring_abi::op_fixed_fd_install;
    if (!of_files) broken("a descriptor is used that is not there", entry.fd, entry.opcode);
    return false;
}

void fake_kernel::begin(std::unique_ptr<request> fresh) noexcept {
    request& of = *fresh;
    pending_.push_back(std::move(fresh));
    const auto which = std::prev(pending_.end());
    if (!look_up(of)) {
        end(which, -EBADF);
        return;
    }
    of.multishot =
        (of.entry.opcode == IORING_OP_ACCEPT && (of.entry.ioprio & IORING_ACCEPT_MULTISHOT) != 0) ||
        (of.entry.opcode == IORING_OP_RECV && (of.entry.ioprio & IORING_RECV_MULTISHOT) != 0);
    if (of.entry.opcode == IORING_OP_ASYNC_CANCEL) {
        cancel(of);
        return;
    }
    // A place is given up at once; with others it is by chance whether they have to wait.
    const bool gives_up_a_place = of.entry.opcode == IORING_OP_CLOSE && of.entry.file_index != 0;
    if (gives_up_a_place || (!step_command(of) && one_in(4))) step(which);
}

// ---------------------------------------------------------------------------------------- cancelling

fake_kernel::pending_list::iterator fake_kernel::find(const request* which) noexcept {
    return std::ranges::find_if(pending_, [which](const auto& each) { return each.get() == which; });
}

bool fake_kernel::fits(const request& each, const request& cancels, const fake_file* file) const noexcept {
    if (&each == &cancels) return false;
    if (file != nullptr) return each.file.get() == file;
    return each.entry.user_data == cancels.entry.addr && each.entry.opcode != IORING_OP_CLOSE;
}

void fake_kernel::cancel(const request& by) noexcept {
    const unsigned flags = by.entry.cancel_flags;
    const bool all = (flags & IORING_ASYNC_CANCEL_ALL) != 0;
    file_pointer file;
    if ((flags & IORING_ASYNC_CANCEL_FD) != 0) {
        const bool fixed = (flags & IORING_ASYNC_CANCEL_FD_FIXED) != 0;
        file = fixed ? table_.at(static_cast<std::size_t>(by.entry.fd)) : file_of(by.entry.fd);
        // A file that is being opened has none yet.
        if (file == nullptr && !fixed && by.entry.fd >= 0)
            broken("a cancel of a descriptor that is not there", by.entry.fd);
        if (file == nullptr) return end(find(&by), -EBADF);
    }
    std::vector<const request*> found;
    for (const auto& each : pending_) {
        if (fits(*each, by, file.get())) found.push_back(each.get());
    }
    if (!all && found.size() > 1) found.resize(1);
    int result = all ? 0 : -ENOENT;
    for (const request* each : found) {
        const auto there = find(each);
        if (there == pending_.end()) continue;
        const int outcome = cancel_one(there);
        result = all ? result + 1 : outcome;
    }
    end(find(&by), result);
}

int fake_kernel::cancel_one(pending_list::iterator which) noexcept {
    switch (below(4)) {
        case 2:
            count(happening::cancel_too_late);
            (*which)->asked = true;
            return -EALREADY;
        case 3: {
            count(happening::cancel_crossed);
            const request* const same = which->get();
            step(which);
            const auto there = find(same);
            if (there != pending_.end()) end(there, -ECANCELED);
            return -ENOENT;
        }
        default:
            count(happening::canceled);
            end(which, -ECANCELED);
            return 0;
    }
}

// ---------------------------------------------------------------------------------------- going on

void fake_kernel::proceed() noexcept {
    for (unsigned steps = choose_.below(8); steps > 0; --steps) {
        const std::size_t all = pending_.size() + notices_.size();
        if (all == 0) return;
        const std::size_t which = choose_.below(all);
        if (which < pending_.size()) {
            step(std::next(pending_.begin(), static_cast<std::ptrdiff_t>(which)));
        } else {
            notify(which - pending_.size());
        }
    }
}

void fake_kernel::proceed_calmly() noexcept {
    while (!notices_.empty())
        notify(0);
    std::vector<const request*> due;
    for (const auto& each : pending_)
        due.push_back(each.get());
    // The newest first: what is submitted is tried at once, before anything comes for those who wait.
    for (const request* each : std::views::reverse(due)) {
        const auto there = find(each);
        if (there == pending_.end()) continue;
        const std::uint8_t opcode = each->entry.opcode;
        const bool waits = opcode == IORING_OP_ACCEPT || opcode == IORING_OP_RECV ||
                           opcode == IORING_OP_RECVMSG || opcode == IORING_OP_POLL_ADD ||
                           (opcode == IORING_OP_READ && each->file->kind == fake_kind::pipe);
        const bool wakes = each->file != nullptr && each->file->kind == fake_kind::wake;
        if (each->asked) {
            end(there, -ECANCELED);
        } else if (wakes ? woken_ : !waits || mood_ == mood::generous) {
            step(there);
        }
    }
}

std::size_t fake_kernel::left() const noexcept {
    return notices_.size() + static_cast<std::size_t>(std::ranges::count_if(pending_, [](const auto& each) {
               return each->file == nullptr || each->file->kind != fake_kind::wake;
           }));
}

std::size_t fake_kernel::buffers_lent() const noexcept {
    return static_cast<std::uint16_t>(lent_->tail - lent_head_);
}

bool fake_kernel::lends(std::uint16_t buffer) const noexcept {
    const auto* entries = reinterpret_cast<const io_uring_buf*>(lent_);
    for (std::uint16_t each = lent_head_; each != lent_->tail; ++each) {
        if (entries[each & (lent_entries_ - 1)].bid == buffer) return true;
    }
    return false;
}

}  // namespace naru::testing
