#include <naru/http/client/connection_pool.hpp>

#include <naru/core/check.hpp>

#include <algorithm>
#include <cerrno>

namespace naru::http {

connection_pool::connection_pool(const client_options& options)
    : options_(options), turns_(std::max<std::size_t>(options.connections, 1)) {}

connection_pool::~connection_pool() {
    for (auto& [name, each] : origins_) {
        if (each->users > 0)
            fatal("bug: an http::client ended before its requests and answers; it must outlive them");
        each->kept.clear();
    }
}

connection_pool::origin& connection_pool::origin_of(const url& to) {
    name_.clear();
    to.append_origin(name_);
    if (const auto known = origins_.find(name_); known != origins_.end()) return *known->second;
    std::unique_ptr<origin>& found = origins_[name_];
    if (found == nullptr) {
        found = std::make_unique<origin>(name_, std::max<std::size_t>(options_.connections_per_origin, 1));
        found->kept.reserve(std::min(options_.connections_per_origin, options_.connections));
    }
    return *found;
}

// An origin is forgotten with its last connection and its last user.
void connection_pool::release(origin& of) noexcept {
    if (of.users == 0 && of.open == 0) origins_.erase(origins_.find(of.name));
}

task<result<connection_pool::turn>> connection_pool::wait_for_turn(const url& to) {
    turn mine(*this, origin_of(to));
    mine.of_origin_ = mine.origin_->turns.try_acquire();
    if (mine.of_origin_) mine.of_all_ = turns_.try_acquire();
    if (mine.of_all_) co_return std::move(mine);
    if (waiting_ >= options_.waiting_requests) co_return fail_errno(EAGAIN);
    struct counted {
        explicit counted(std::size_t& of) noexcept : count(of) { ++count; }
        ~counted() { --count; }
        counted(const counted&) = delete;
        counted& operator=(const counted&) = delete;
        std::size_t& count;
    };
    const counted waits(waiting_);
    if (!mine.of_origin_) {
        auto permit = co_await mine.origin_->turns.acquire();
        if (!permit) co_return fail(permit.error());
        mine.of_origin_ = std::move(*permit);
    }
    auto permit = co_await turns_.acquire();
    if (!permit) co_return fail(permit.error());
    mine.of_all_ = std::move(*permit);
    co_return std::move(mine);
}

void connection_pool::close_oldest(origin& of) noexcept {
    of.kept.erase(of.kept.begin());
    --of.open;
    --open_;
    --kept_;
}

void connection_pool::close_oldest_of_all() noexcept {
    origin* oldest = nullptr;
    for (auto& [name, each] : origins_) {
        if (each->kept.empty()) continue;
        if (oldest == nullptr || each->kept.front()->idle_since() < oldest->kept.front()->idle_since())
            oldest = each.get();
    }
    if (oldest == nullptr) return;
    close_oldest(*oldest);
    release(*oldest);
}

void connection_pool::on_kept_ended(void* self, client_connection& ended) noexcept {
    auto& pool = *static_cast<connection_pool*>(self);
    for (auto& [name, each] : pool.origins_) {
        const auto found = std::find_if(each->kept.begin(), each->kept.end(),
                                        [&](const auto& kept) { return kept.get() == &ended; });
        if (found == each->kept.end()) continue;
        each->kept.erase(found);
        --each->open;
        --pool.open_;
        --pool.kept_;
        return pool.release(*each);
    }
}

connection_pool::turn::turn(connection_pool& pool, origin& of) noexcept : pool_(&pool), origin_(&of) {
    ++of.users;
}

void connection_pool::turn::swap(turn& other) noexcept {
    std::swap(pool_, other.pool_);
    std::swap(origin_, other.origin_);
    std::swap(connection_, other.connection_);
    std::swap(of_all_, other.of_all_);
    std::swap(of_origin_, other.of_origin_);
    std::swap(counted_, other.counted_);
}

void connection_pool::turn::drop() noexcept {
    if (origin_ == nullptr) return;
    close();
    of_all_.release();
    of_origin_.release();
    origin& of = *std::exchange(origin_, nullptr);
    --of.users;
    pool_->release(of);
}

void connection_pool::turn::close() noexcept {
    connection_.reset();
    if (!std::exchange(counted_, false)) return;
    --origin_->open;
    --pool_->open_;
}

bool connection_pool::turn::take_kept(bool idempotent) noexcept {
    if (origin_->kept.empty()) return false;
    client_connection& newest = *origin_->kept.back();
    if (!idempotent && clock::now() - newest.idle_since() >= newest.keep_alive() / 2) return false;
    newest.take_from_idle();
    connection_ = std::move(origin_->kept.back());
    origin_->kept.pop_back();
    --pool_->kept_;
    counted_ = true;
    return true;
}

void connection_pool::turn::make_room() noexcept {
    if (std::exchange(counted_, true)) return;
    const client_options& options = pool_->options_;
    if (origin_->open >= options.connections_per_origin && !origin_->kept.empty())
        pool_->close_oldest(*origin_);
    if (pool_->open_ >= options.connections && pool_->kept_ > 0) pool_->close_oldest_of_all();
    ++origin_->open;
    ++pool_->open_;
}

void connection_pool::turn::finish() noexcept {
    if (origin_ == nullptr) return;
    const duration longest = pool_->options_.idle_time;
    if (connection_ != nullptr && connection_->can_be_kept() && longest > duration::zero() &&
        connection_->keep_alive() > duration::zero() && origin_->kept.size() < origin_->kept.capacity()) {
        client_connection& kept = *connection_;
        origin_->kept.push_back(std::move(connection_));
        counted_ = false;  // it counts as kept
        ++pool_->kept_;
        kept.idle(pool_, &connection_pool::on_kept_ended,
                  saturating_add(clock::now(), std::min(longest, kept.longest_idle())));
    }
    drop();
}

}  // namespace naru::http
