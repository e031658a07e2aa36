#include <naru/http/client/connection_pool.hpp>

#include <naru/core/check.hpp>
#include <naru/http/client/http2_stream.hpp>

#include <algorithm>
#include <cerrno>
#include <new>

namespace naru::http {

namespace {

/// An HTTP/2 connection between two requests.
bool is_idle(const auto& origin) noexcept { return origin.link != nullptr && origin.link->streams() == 0; }

}  // namespace

connection_pool::connection_pool(const client_options& options)
    : options_(options), turns_(std::max<std::size_t>(options.connections, 1)) {}

connection_pool::~connection_pool() {
    for (auto& [name, each] : origins_) {
        if (each->users > 0)
            fatal("bug: an http::client ended before its requests and answers; it must outlive them");
        each->kept.clear();
        if (each->link != nullptr) each->link->retire();
    }
}

connection_pool::origin& connection_pool::origin_of(const url& to) {
    name_.clear();
    to.append_origin(name_);
    if (const auto known = origins_.find(name_); known != origins_.end()) return *known->second;
    std::unique_ptr<origin>& found = origins_[name_];
    if (found == nullptr) {
        const std::size_t connections = std::max<std::size_t>(options_.connections_per_origin, 1);
        const bool may_speak_http2 = to.secure() && options_.http2;
        found = std::make_unique<origin>(
            name_, may_speak_http2 ? std::max(connections, options_.streams_per_origin) : connections,
            connections);
        found->may_speak_http2 = may_speak_http2;
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
    bool is_link = false;
    instant since = never;
    for (auto& [name, each] : origins_) {
        if (!each->kept.empty() && each->kept.front()->idle_since() < since) {
            since = each->kept.front()->idle_since();
            oldest = each.get();
            is_link = false;
        }
        if (is_idle(*each) && each->link->idle_since() < since) {
            since = each->link->idle_since();
            oldest = each.get();
            is_link = true;
        }
    }
    if (oldest == nullptr) return;
    if (is_link) {
        oldest->link->retire();
        forget_link(*oldest);
    } else {
        close_oldest(*oldest);
    }
    release(*oldest);
}

std::size_t connection_pool::kept() const noexcept {
    std::size_t links = 0;
    for (const auto& [name, each] : origins_)
        links += is_idle(*each) ? 1 : 0;
    return kept_ + links;
}

void connection_pool::forget_link(origin& of) noexcept {
    of.link = nullptr;
    --of.open;
    --open_;
}

void connection_pool::on_link_ended(void* self, http2_link& ended) noexcept {
    auto& pool = *static_cast<connection_pool*>(self);
    for (auto& [name, each] : pool.origins_) {
        if (each->link != &ended) continue;
        pool.forget_link(*each);
        return pool.release(*each);
    }
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
    std::swap(connecting_, other.connecting_);
    std::swap(of_connections_, other.of_connections_);
    std::swap(counted_, other.counted_);
}

void connection_pool::turn::drop() noexcept {
    if (origin_ == nullptr) return;
    close();
    connecting_.release();
    of_connections_.release();
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

bool connection_pool::turn::take_stream() noexcept {
    http2_link* const on = origin_->link;
    if (on == nullptr) return false;
    const result<handle> made = http2_stream::open(*on);
    if (!made) return false;
    constexpr bool carries_one = true;
    connection_.reset(new (std::nothrow)
                          client_connection(tcp_stream(on->home(), *made), on->peer(), carries_one));
    connecting_.release();
    of_connections_.release();
    return connection_ != nullptr;
}

task<result<void>> connection_pool::turn::wait_to_connect() {
    if (!origin_->may_speak_http2) co_return result<void>();
    if (origin_->speaks != speech::http1) {
        auto guard = co_await origin_->connecting.lock();
        if (!guard) co_return fail(guard.error());
        if (origin_->speaks != speech::http1) {
            connecting_ = std::move(*guard);
            co_return result<void>();
        }
    }
    if (of_connections_) co_return result<void>();
    auto permit = co_await origin_->connections.acquire();
    if (!permit) co_return fail(permit.error());
    of_connections_ = std::move(*permit);
    co_return result<void>();
}

void connection_pool::turn::adopt(client_connection::pointer made) noexcept {
    connection_ = std::move(made);
    origin_->speaks = speech::http1;
    if (origin_->may_speak_http2 && !of_connections_) of_connections_ = origin_->connections.try_acquire();
    connecting_.release();
}

result<void> connection_pool::turn::adopt_link(tcp_stream over, const address& peer) {
    origin_->speaks = speech::http2;
    if (origin_->link != nullptr) {
        origin_->link->retire();
        pool_->forget_link(*origin_);
    }
    origin_->link =
        &http2_link::make(std::move(over), peer, pool_->options_.idle_time, pool_, &on_link_ended);
    counted_ = false;  // it counts as the origin's
    const bool has_stream = take_stream();
    if (pool_->options_.idle_time <= duration::zero()) {  // for this request alone
        origin_->link->retire();
        pool_->forget_link(*origin_);
    }
    if (!has_stream) return fail_errno(ENOMEM);
    return {};
}

bool connection_pool::turn::take_kept(bool idempotent) noexcept {
    if (origin_->kept.empty()) return false;
    client_connection& newest = *origin_->kept.back();
    if (!idempotent && clock::now() - newest.idle_since() >= newest.keep_alive() / 2) return false;
    newest.take_from_idle();
    connecting_.release();
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
    if (pool_->open_ >= options.connections) pool_->close_oldest_of_all();
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
