#include <naru/http/server/line_writer.hpp>

#include <naru/fs/files.hpp>
#include <naru/http/limits.hpp>
#include <naru/loop/environment.hpp>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <new>
#include <utility>

namespace naru::http {

namespace {

// A file takes more at once, which costs its system less for each page; whoever else appends to it has his
// turn between two writes.
constexpr std::size_t file_write_bytes = 64 * limits::log_write_bytes;

// To wake a thread costs as much as hundreds of lines, where a processor has to be woken for it. When much
// was written the last time, more is waited for: so long, or until so much is there.
constexpr std::size_t much = 16 * 1024;
constexpr std::size_t gathered_bytes = 1024 * 1024;
constexpr auto gathering_time = std::chrono::milliseconds(100);

// Lines are counted when they are lost alone.
std::uint64_t lines_in(std::string_view text) noexcept {
    std::uint64_t lines = 0;
    while (!text.empty()) {  // a search for each of them is faster than a look at each byte
        const void* const end = std::memchr(text.data(), '\n', text.size());
        if (end == nullptr) break;
        text.remove_prefix(static_cast<std::size_t>(static_cast<const char*>(end) - text.data()) + 1);
        ++lines;
    }
    return lines;
}

}  // namespace

// Shared with the thread, which may outlive the object: a write that never returns.
struct line_writer::state : std::enable_shared_from_this<state> {
    state(unique_descriptor to, settings given) : chosen(std::move(given)), file(std::move(to)) {}

    const settings chosen;

    std::mutex mutex;
    std::condition_variable changed;
    std::string waiting;
    std::string_view in_hand;         // what the thread has to write yet: the end of `batch`
    std::uint64_t told_in_front = 0;  // lost lines that the batch begins with a line on
    std::uint64_t lost = 0;           // and not told yet
    std::uint64_t lost_in_all = 0;
    std::error_code why;
    clock::time_point tell_at;
    clock::time_point moved_at;  // the last time that something was written, or begun
    unsigned telling = 0;        // calls of `report` under way
    bool reopening = false;
    bool ending = false;
    bool abandoned = false;
    bool ended = false;
    environment* world = nullptr;  // where there is no thread, but turns in a world's time
    bool has_turn = false;
    bool gathers = false;  // the thread is woken for much alone

    // The thread's.
    unique_descriptor file;
    std::string batch;
    bool line_is_open = false;  // a write failed within a line
    bool wrote_much = false;
    std::size_t write_bytes = limits::log_write_bytes;
    clock::time_point looked_at;

    using lock = std::unique_lock<std::mutex>;
    void run() noexcept;
    void gather(lock& held) noexcept;
    bool has_gathered() const noexcept {
        return waiting.size() >= std::min(gathered_bytes, chosen.most_waiting / 4);
    }
    void take_turn(lock& held) noexcept;
    bool begin_turn();
    void end(lock& held) noexcept;
    void write(lock& held) noexcept;
    bool is_untold() const noexcept;
    std::uint64_t lines_in_hand() const noexcept;
    result<void> write_piece(lock& held, std::string_view& left) noexcept;
    void begin_with_loss() noexcept;
    void open_anew() noexcept;
    void look_at_path() noexcept;
    void lose(std::uint64_t lines, std::error_code reason) noexcept;
    void tell(lock& held, bool at_once) noexcept;
    void report_line(lock& held, const std::string& line) noexcept;
};

line_writer::line_writer(unique_descriptor file, settings chosen)
    : state_(std::make_shared<state>(std::move(file), std::move(chosen))) {
    environment& here = environment::current();
    state_->world = &here;
    if (state_->begin_turn()) return;
    state_->world = nullptr;
    thread_ = here.start_thread([shared = state_] { shared->run(); });
}

line_writer::~line_writer() {
    state& s = *state_;
    {
        state::lock held(s.mutex);
        s.ending = true;
        if (s.world != nullptr) {
            s.take_turn(held);
            s.end(held);
            return;
        }
        s.changed.notify_all();
        const auto now = clock::now();
        // What has stood still for long gets no more time.
        const auto until = !s.in_hand.empty() ? std::min(now, s.moved_at) + limits::log_end_time
                                              : now + limits::log_end_time;
        s.changed.wait_until(held, until, [&s] { return s.ended; });
        // A report that has begun is another thread's call into what may go away after this.
        s.changed.wait(held, [&s] { return s.telling == 0; });
        if (!s.ended) {
            s.abandoned = true;
            s.lose(s.lines_in_hand() + lines_in(s.waiting), std::make_error_code(std::errc::timed_out));
            s.tell(held, true);
        }
    }
    if (s.ended) {
        thread_.join();
    } else {
        thread_.detach();
    }
}

void line_writer::finish() noexcept {
    const std::shared_ptr<state> kept = state_;  // who sees that it has ended may destroy this at once
    state& s = *kept;
    state::lock held(s.mutex);
    s.ending = true;
    if (s.world != nullptr) {
        s.take_turn(held);
        return s.end(held);
    }
    s.changed.notify_all();
}

void line_writer::append(std::string_view lines) noexcept {
    state& s = *state_;
    {
        state::lock held(s.mutex);
        try {
            if (s.waiting.size() + lines.size() <= s.chosen.most_waiting) {
                s.waiting += lines;
                if (s.world != nullptr) return (void)s.begin_turn();
                const bool wakes = !s.gathers || s.has_gathered();
                held.unlock();
                if (wakes) s.changed.notify_one();
                return;
            }
        } catch (const std::bad_alloc&) {  // lost like one that has no room
        }
        s.lose(lines_in(lines), {});
        s.tell(held, false);
    }
}

bool line_writer::has_ended() const noexcept {
    const std::lock_guard held(state_->mutex);
    return state_->ended;
}

std::uint64_t line_writer::lost() const noexcept {
    const std::lock_guard held(state_->mutex);
    return state_->lost_in_all;
}

void line_writer::lose() noexcept {
    state& s = *state_;
    state::lock held(s.mutex);
    s.lose(1, std::make_error_code(std::errc::not_enough_memory));
    s.tell(held, false);
}

void line_writer::reopen() noexcept {
    {
        const std::lock_guard held(state_->mutex);
        if (state_->ending) return;
        state_->reopening = true;
        if (state_->world != nullptr) {
            try {
                (void)state_->begin_turn();
            } catch (const std::bad_alloc&) {  // with the next line
            }
        }
    }
    state_->changed.notify_one();
}

// Work like any other: once for all lines until then. False if this world leaves it to threads.
bool line_writer::state::begin_turn() {
    if (has_turn) return true;
    std::move_only_function<void()> turn = [own = weak_from_this()] {
        const auto shared = own.lock();
        if (shared == nullptr) return;
        lock held(shared->mutex);
        shared->has_turn = false;
        shared->take_turn(held);
    };
    has_turn = world->run_aside(turn);
    return has_turn;
}

void line_writer::state::run() noexcept {
    lock held(mutex);
    while (true) {
        changed.wait(held, [this] { return ending || reopening || !waiting.empty(); });
        if (!reopening && waiting.empty()) break;
        if (wrote_much) gather(held);
        take_turn(held);
        if (abandoned) return;
    }
    end(held);
}

void line_writer::state::gather(lock& held) noexcept {
    gathers = true;
    changed.wait_until(held, clock::now() + gathering_time,
                       [this] { return ending || reopening || has_gathered(); });
    gathers = false;
}

// What waits by now.
void line_writer::state::take_turn(lock& held) noexcept {
    const bool anew = std::exchange(reopening, false);
    if (!anew && waiting.empty()) return;
    batch.swap(waiting);
    wrote_much = batch.size() >= much;
    moved_at = clock::now();
    begin_with_loss();
    in_hand = batch;
    held.unlock();
    anew ? open_anew() : look_at_path();
    const auto seen = status_of(file);
    write_bytes = seen && seen->kind == file_kind::regular ? file_write_bytes : limits::log_write_bytes;
    held.lock();
    if (!abandoned) write(held);
    if (abandoned) return;
    batch.clear();
    tell(held, false);
}

void line_writer::state::end(lock& held) noexcept {
    if (lost > 0 && !chosen.report) {
        begin_with_loss();
        in_hand = batch;
        write(held);
    }
    tell(held, true);
    file.reset();
    ended = true;
    changed.notify_all();
}

// Without anybody to tell, the batch begins with a line on those that were lost.
void line_writer::state::begin_with_loss() noexcept {
    told_in_front = 0;
    if (chosen.report || lost == 0) return;
    try {
        batch.insert(0, chosen.describe(lost, why) + '\n');
    } catch (const std::bad_alloc&) {
        return;  // the next time
    }
    why.clear();
    told_in_front = std::exchange(lost, 0);
}

// Whether the line on those that were lost waits itself.
bool line_writer::state::is_untold() const noexcept {
    return told_in_front > 0 && !in_hand.empty() && in_hand.size() + batch.find('\n') >= batch.size();
}

std::uint64_t line_writer::state::lines_in_hand() const noexcept {
    return lines_in(in_hand) - (is_untold() ? 1 : 0);
}

// What cannot be written is lost, the server is not. What is written when there is room again is no part of
// a line that was cut.
void line_writer::state::write(lock& held) noexcept {
    std::string_view line_end = "\n";
    auto written = line_is_open ? write_piece(held, line_end) : result<void>();
    if (written) {
        line_is_open = false;
        written = write_piece(held, in_hand);
        line_is_open =
            !written && in_hand.size() < batch.size() && batch[batch.size() - in_hand.size() - 1] != '\n';
    }
    if (abandoned) return;
    if (!written) {
        lose(lines_in_hand(), written.error());
        if (is_untold()) lost += told_in_front;  // which `lost_in_all` counts already
    }
    in_hand = {};
}

// In pieces of whole lines, so that the end sees whether anything moves, and what was written is known.
result<void> line_writer::state::write_piece(lock& held, std::string_view& left) noexcept {
    while (!left.empty() && !abandoned) {
        std::string_view piece = left.substr(0, write_bytes);
        if (const std::size_t last = piece.rfind('\n'); last != std::string_view::npos)
            piece = piece.substr(0, last + 1);
        const std::size_t size = piece.size();
        const lent_descriptor to = file;
        held.unlock();
        const auto written = write_log(to, piece);
        held.lock();
        const std::size_t taken = size - piece.size();
        moved_at = clock::now();
        left.remove_prefix(taken);
        if (!written) return written;
    }
    return {};
}

void line_writer::state::open_anew() noexcept {
    looked_at = clock::now();
    if (chosen.path.empty()) return;
    auto opened = chosen.open ? chosen.open(chosen.path) : open_log(chosen.path);
    if (opened) {
        file = std::move(*opened);
        line_is_open = false;
        return;
    }
    lock held(mutex);
    if (!chosen.report || abandoned || looked_at < tell_at) return;
    tell_at = looked_at + limits::access_log_report_interval;
    try {
        report_line(held, "cannot open " + chosen.path + " anew: " + opened.error().message() +
                              "; the old file is written on");
    } catch (const std::bad_alloc&) {
        return;
    }
}

// A log that was renamed and is not made anew by anybody is made by us.
void line_writer::state::look_at_path() noexcept {
    if (chosen.path.empty() || clock::now() - looked_at < limits::log_look_interval) return;
    looked_at = clock::now();
    if (!is_log_at(file, chosen.path)) open_anew();
}

void line_writer::state::lose(std::uint64_t lines, std::error_code reason) noexcept {
    lost += lines;
    lost_in_all += lines;
    if (reason) why = reason;
}

void line_writer::state::tell(lock& held, bool at_once) noexcept try {
    if (lost == 0 || !chosen.report) return;
    const auto now = clock::now();
    if (now < tell_at && !at_once) return;
    const std::string line = chosen.describe(lost, why);
    lost = 0;
    why.clear();
    tell_at = now + limits::access_log_report_interval;
    report_line(held, line);
} catch (const std::bad_alloc&) {
    return;  // the next time
}

void line_writer::state::report_line(lock& held, const std::string& line) noexcept {
    ++telling;
    held.unlock();
    try {
        chosen.report(line);
    } catch (...) {  // nobody takes it
        (void)line;
    }
    held.lock();
    --telling;
    changed.notify_all();
}

}  // namespace naru::http
