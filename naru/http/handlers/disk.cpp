#include <naru/http/handlers/disk.hpp>

#include <naru/http/handlers/encoded_document.hpp>

#include <cerrno>
#include <new>
#include <utility>

namespace naru::http {

/// One look at the disk, and all who wait for it. Between begin and ended the thread owns what stands under
/// "result", and may read the rest.
struct disk_flight : list_node, work_operation, posted {
    enum class look : std::uint8_t {
        root,
        file,
        listing,
        none,  // of those who wait for their turn: each looks for itself
    };

    disk_flight(disk& of, look where, std::string_view what, std::shared_ptr<const directory_root> in)
        : work_operation([](work_operation& work) { static_cast<disk_flight&>(work).run_on_thread(); },
                         [](operation& op) noexcept {
                             auto& flight = static_cast<disk_flight&>(op);
                             flight.owner.ended(flight);
                         }),
          posted([](posted& self) noexcept {
              auto& flight = static_cast<disk_flight&>(self);
              flight.owner.hand_out(flight);
          }),
          owner(of),
          at(where),
          path(what),
          root(std::move(in)) {}

    void run_on_thread() try {
        constexpr auto may_block = directory_root::blocking::yes;
        switch (at) {
            case look::root:
                if (const auto same = root->is_in_place(may_block); same && !*same) {
                    auto opened = root->reopen();
                    if (opened) new_root = std::make_shared<const directory_root>(std::move(*opened));
                }
                return;
            case look::file:
                if (known != nullptr) {
                    const auto current = is_current(*root, path, *known->content, may_block);
                    unchanged = current && *current;
                    if (unchanged) return;
                }
                loaded = load_document(*root, path, owner.options_, may_block);
                if (loaded && owner.options_.encode && can_be_encoded(**loaded)) encode_document(**loaded);
                return;
            case look::listing:
                loaded = list_directory(*root, path, owner.options_.dotfiles);
                if (loaded && owner.options_.encode) encode_listing(**loaded);
                return;
            case look::none:
                return;  // no thread's
        }
    } catch (const std::bad_alloc&) {
        loaded = fail_errno(ENOMEM);
    }

    /// Until when a request that has something else to be answered with waits; or any.
    instant patience() const noexcept {
        if (at == look::none) return never;
        const bool has_answer = known != nullptr || at == look::root;
        return saturating_add(begun, has_answer ? limits::stale_after : owner.options_.disk_time);
    }

    disk& owner;
    look at;
    const std::string path;
    const std::shared_ptr<const directory_root> root;
    cached_document* known = nullptr;  // held: to be looked at again
    instant begun;
    list_head waiting;
    disk_answer answer;  // once it has ended; a document in it is held

    // Result.
    bool unchanged = false;
    naru::result<std::unique_ptr<document>> loaded = fail_errno(EAGAIN);
    std::shared_ptr<const directory_root> new_root;
};

namespace {

disk_answer failure(std::error_code error) noexcept { return {disk_answer::kind::failed, nullptr, error}; }
disk_answer failure(int error) noexcept { return failure(std::error_code(error, std::generic_category())); }

}  // namespace

disk::disk(loop& on, const files_source& source, file_cache& cache, blocking_threads& threads,
           std::function<void()> on_idle)
    : loop_(on),
      options_(source.options),
      root_(source.root),
      root_checked_(on.now()),
      cache_(cache),
      threads_(threads),
      on_idle_(std::move(on_idle)) {}

disk::~disk() { NARU_ASSERT(idle()); }

// It is time to see which directory the root is.
disk_answer disk::find_by_root(std::string_view path, disk_waiter& who, instant now) noexcept try {
    if (!knows_root(now)) return wait(*following_, who);
    cached_document* const known = cache_.find(path);
    cache_.note_look(known != nullptr);
    return find_stale(path, known, who, now);
} catch (const std::bad_alloc&) {
    return failure(ENOMEM);
}

// What is in the cache for it, if anything, may be too old.
disk_answer disk::find_stale(std::string_view path, cached_document* known, disk_waiter& who,
                             instant now) noexcept try {
    if (known != nullptr) {
        const duration age = now - known->checked;
        const auto may_be_stale = [&] {
            const bool is_tolerable = age <= limits::cache_age + limits::stale_after;
            return is_tolerable && known->checking == nullptr && !has_turn(now);
        };
        if (age <= limits::cache_age || may_be_stale()) {
            cache_.hold(*known);
            return {disk_answer::kind::found, known, {}};
        }
        if (known->checking == nullptr && !take_turn(now)) return wait_for_turn(who);
        const disk_answer answer = find_known(*known, who, now);
        if (answer.is != disk_answer::kind::again) return answer;  // else it has changed
    }
    if (const auto same = by_path_.find(path); same != by_path_.end()) {
        disk_flight& flight = *same->second;
        if (now < flight.patience()) return wait(flight, who);
        if (flight.known == nullptr) return failure(ETIMEDOUT);
        cache_.hold(*flight.known);
        return {disk_answer::kind::found, flight.known, {}};
    }
    if (!take_turn(now)) return wait_for_turn(who);
    auto loaded = load_document(*root_, std::string(path), options_, directory_root::blocking::no);
    const bool is_to_be_encoded = loaded && options_.encode && can_be_encoded(**loaded);
    if (loaded && !is_to_be_encoded) return settle(std::move(*loaded), path, who, now);
    if (!loaded && loaded.error().value() != EAGAIN) return failure(loaded.error());
    return wait(begin(std::make_unique<disk_flight>(*this, disk_flight::look::file, path, root_)), who);
} catch (const std::bad_alloc&) {
    return failure(ENOMEM);
}

// Looks that this thread makes itself are so many in a tick. Whoever comes then waits, and so does everybody
// behind them: in each tick they are asked to look again, one look each.
bool disk::has_turn(instant now) noexcept {
    if (now != looked_at_) {
        looked_at_ = now;
        looks_left_ = limits::looks_per_tick;
    }
    return is_called_ || (waiting_for_turn_ == nullptr && looks_left_ > 0);
}

bool disk::take_turn(instant now) noexcept {
    if (!has_turn(now)) return false;
    if (!std::exchange(is_called_, false)) --looks_left_;
    return true;
}

disk_answer disk::wait_for_turn(disk_waiter& who) {
    if (waiting_for_turn_ == nullptr) {
        auto made = std::make_unique<disk_flight>(*this, disk_flight::look::none, std::string_view(), root_);
        waiting_for_turn_ = made.get();
        flights_.push_back(*made.release());
        waiting_for_turn_->answer.is = disk_answer::kind::again;
        loop_.defer(*waiting_for_turn_);
    }
    return wait(*waiting_for_turn_, who);
}

void disk::call_those_who_wait(disk_flight& flight) noexcept {
    for (unsigned count = 0; count < limits::looks_per_tick; ++count) {
        auto* const first = static_cast<disk_waiter*>(flight.waiting.front());
        if (first == nullptr) {
            waiting_for_turn_ = nullptr;
            return destroy(flight);
        }
        leave(*first);
        is_called_ = true;
        first->answered(*first, flight.answer);
        is_called_ = false;
    }
    loop_.defer(flight);
}

// True if it is known which directory the root is. False: a look is under way that has to be waited for.
bool disk::knows_root(instant now) {
    if (following_ == nullptr) {
        const auto same = root_->is_in_place(directory_root::blocking::no);
        const bool unknown = same ? !*same : same.error().value() == EAGAIN;
        if (!unknown) {  // there, or nothing is: then the old one goes on, what is left of it
            root_checked_ = now;
            return true;
        }
        following_ =
            &begin(std::make_unique<disk_flight>(*this, disk_flight::look::root, std::string_view(), root_));
    }
    return now >= following_->patience() || waiting_ == limits::disk_waiters;
}

// A document that has not been looked at for a while. `again`: it has changed, and is in the cache no more.
disk_answer disk::find_known(cached_document& known, disk_waiter& who, instant now) {
    if (known.checking == nullptr) {
        const auto current = is_current(*root_, known.path, *known.content, directory_root::blocking::no);
        if (current && *current) {
            known.checked = now;
        } else if (!current && is_shortage(current.error())) {
            // What is known goes on.
        } else if (current || current.error().value() != EAGAIN) {
            cache_.drop(known);
            return {disk_answer::kind::again, nullptr, {}};
        } else {
            auto made = std::make_unique<disk_flight>(*this, disk_flight::look::file, known.path, root_);
            made->known = &known;
            disk_flight& flight = begin(std::move(made));
            cache_.hold(known);
            known.checking = &flight;
        }
    }
    const bool waits = known.checking != nullptr && now < known.checking->patience();
    if (waits && waiting_ < limits::disk_waiters) return wait(*known.checking, who);
    cache_.hold(known);
    return {disk_answer::kind::found, &known, {}};
}

// What was had without waiting.
disk_answer disk::settle(std::unique_ptr<document> loaded, std::string_view path, disk_waiter& who,
                         instant now) {
    if (loaded->is != document::kind::unlisted) return keep(std::move(loaded), path, true, now);
    if (!options_.listings) return failure(EACCES);
    return wait(begin(std::make_unique<disk_flight>(*this, disk_flight::look::listing, path, root_)), who);
}

// Into the cache if it is a file and `lasts`.
disk_answer disk::keep(std::unique_ptr<document> loaded, std::string_view path, bool lasts,
                       instant looked_at) noexcept try {
    cached_document& entry = lasts && loaded->is == document::kind::file
                                 ? cache_.insert(path, std::move(loaded), looked_at)
                                 : cache_.wrap(path, std::move(loaded));
    return {disk_answer::kind::found, &entry, {}};
} catch (const std::bad_alloc&) {
    return failure(ENOMEM);
}

disk_answer disk::wait(disk_flight& flight, disk_waiter& who) noexcept {
    const bool for_its_turn = flight.at == disk_flight::look::none;  // soon, and it needs nothing
    if (!for_its_turn && waiting_ == limits::disk_waiters) return failure(EAGAIN);
    NARU_ASSERT(who.in == nullptr);
    flight.waiting.push_back(who);
    who.in = &flight;
    if (!for_its_turn) ++waiting_;
    return {};
}

void disk::leave(disk_waiter& who) noexcept {
    if (who.in == nullptr) return;
    if (who.in->at != disk_flight::look::none) --waiting_;
    who.in = nullptr;
    who.unlink();
}

instant disk::patience_of(const disk_waiter& who) const noexcept { return who.in->patience(); }

disk_flight& disk::begin(std::unique_ptr<disk_flight> made) {
    disk_flight& flight = *made;
    if (flight.at != disk_flight::look::root) {
        by_path_.erase(flight.path);  // its key would go with another flight
        by_path_.emplace(flight.path, &flight);
    }
    flights_.push_back(*made.release());
    flight.begun = loop_.now();
    (flight.at == disk_flight::look::listing ? threads_.listings : threads_.files).submit(loop_, flight);
    return flight;
}

// On the loop's thread: it was made, or cancelled, or refused because too many wait for a thread.
void disk::ended(disk_flight& flight) noexcept {
    if (flight.at == disk_flight::look::root) {
        root_followed(flight);
    } else if (!file_looked_at(flight)) {
        return;  // it goes on
    }
    hand_out(flight);
}

void disk::root_followed(disk_flight& flight) noexcept {
    following_ = nullptr;
    root_checked_ = flight.begun;
    flight.answer.is = disk_answer::kind::again;
    if (!flight.new_root) return;
    root_ = std::move(flight.new_root);
    cache_.clear();
    by_path_.clear();  // what was asked of the old one is answered to those who asked then
}

// False: a directory has been found, and is to be listed.
bool disk::file_looked_at(disk_flight& flight) noexcept {
    const auto joinable = by_path_.find(flight.path);
    const bool is_newest = joinable != by_path_.end() && joinable->second == &flight;
    if (flight.known != nullptr && known_looked_at(flight)) {
        cache_.hold(*flight.known);
        flight.answer = {disk_answer::kind::found, flight.known, {}};
    } else if (flight.failed() || !flight.loaded) {
        flight.answer = failure(flight.failed() ? flight.error() : flight.loaded.error());
    } else if ((*flight.loaded)->is != document::kind::unlisted) {
        flight.answer = keep(std::move(*flight.loaded), flight.path, is_newest, flight.begun);
    } else if (!options_.listings) {
        flight.answer = failure(EACCES);
    } else {
        flight.at = disk_flight::look::listing;
        flight.begun = loop_.now();
        threads_.listings.submit(loop_, flight);
        return false;
    }
    if (is_newest) by_path_.erase(joinable);
    return true;
}

// Whether what was known is still to be given.
bool disk::known_looked_at(disk_flight& flight) noexcept {
    cached_document& known = *flight.known;
    known.checking = nullptr;
    if (flight.unchanged) known.checked = flight.begun;
    const bool shortage = !flight.loaded && is_shortage(flight.loaded.error());
    if (flight.unchanged || flight.failed() || shortage) return true;
    if (known.in_cache) cache_.drop(known);
    cache_.let_go(*std::exchange(flight.known, nullptr));
    return false;
}

// In turns, so that a crowd does not hold up the others.
void disk::hand_out(disk_flight& flight) noexcept {
    if (flight.at == disk_flight::look::none) return call_those_who_wait(flight);
    for (unsigned count = 0; count < limits::disk_waiters_per_turn; ++count) {
        auto* const first = static_cast<disk_waiter*>(flight.waiting.front());
        if (first == nullptr) return destroy(flight);
        leave(*first);
        first->answered(*first, flight.answer);
    }
    loop_.post(static_cast<posted&>(flight));
}

void disk::destroy(disk_flight& flight) noexcept {
    const std::unique_ptr<disk_flight> ended(&flight);
    flight.list_node::unlink();
    if (flight.known != nullptr) cache_.let_go(*flight.known);
    if (flight.answer.document != nullptr) cache_.let_go(*flight.answer.document);
    if (idle()) on_idle_();
}

void disk::cancel_queued() noexcept {
    for (list_node* each = flights_.next_node; each != &flights_; each = each->next_node)
        loop_.cancel(static_cast<disk_flight&>(*each));
}

}  // namespace naru::http
