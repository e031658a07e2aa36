// A site on one loop: what its files and its users' handlers keep there.
#pragma once

#include <naru/http/handlers/disk.hpp>
#include <naru/http/handlers/file_cache.hpp>
#include <naru/http/server/loop_log.hpp>
#include <naru/http/site/site_data.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <unordered_map>
#include <utility>
#include <vector>

namespace naru::http {

/// One directory: its cache and its way to the disk.
struct file_service {
    file_service(loop& on, std::shared_ptr<const files_source> from, cache_totals& totals,
                 blocking_threads& threads, const std::function<void()>& on_idle)
        : source(std::move(from)), cache(&totals), looks(on, *source, cache, threads, on_idle) {}

    const std::shared_ptr<const files_source> source;
    file_cache cache;
    disk looks;
};

/// Belongs to its loop's thread. Requests under way count on it; a replaced one ends with the last of them.
struct served_site {
    /// Everything but `data` is borrowed. Throws what per_loop's functions throw. Directories that `before`
    /// (a site of this loop, or nullptr) serves, too, are shared with it: what is cached stays so.
    served_site(loop& on, std::shared_ptr<const detail::site_data> data, const served_site* before,
                cache_totals& totals, blocking_threads& threads, const std::function<void()>& on_idle)
        : site(std::move(data)), only_files(site->routes.only_files()) {
        std::unordered_map<const files_source*, std::shared_ptr<file_service>> known;
        if (before != nullptr) {
            for (const auto& each : before->services)
                known.emplace(each->source.get(), each);
        }
        std::unordered_map<const files_source*, file_service*> here;
        files.reserve(site->files.size());
        for (const auto& each : site->files) {
            file_service*& service = here[each.get()];
            if (service == nullptr) {
                const auto same = known.find(each.get());
                services.push_back(same != known.end()
                                       ? same->second
                                       : std::make_shared<file_service>(on, each, totals, threads, on_idle));
                service = services.back().get();
            }
            files.push_back(service);
        }
        for (const auto& each : site->locals)
            locals.emplace_back(each.type, each.make(on));
        const auto note = [this](const detail::site_data& each) {
            has_hooks |= !each.hooks.empty();
            encodes |= each.encoding != nullptr;
            dresses |= !each.hooks.empty() || !each.before.empty();
        };
        note(*site);
        for (const auto& each : site->by_host)
            note(*each.second);
        plain = only_files != nullptr && !dresses && site->by_host.empty();
    }

    /// Where its lines go, if a host has a log of its own: before it serves. Throws std::bad_alloc.
    void enter_logs(loop_log& of) {
        if (site->logs.empty()) return;
        std::vector<log_place*> places{of.own()};
        for (const detail::wanted_log& each : site->logs) {
            entered.emplace_back(nullptr, log_leaver{&of});  // first: what is entered is left again
            entered.back().reset(&of.enter(each.opened, each.as.value_or(of.format())));
            places.push_back(entered.back().get());
        }
        log_of_route.resize(site->patterns.size());
        const auto note = [&](const detail::site_data& each) {
            for (const auto& at : each.routes.all())
                log_of_route[at->number] = places[each.log_number];
        };
        note(*site);
        for (const auto& each : site->by_host)
            note(*each.second);
        logs = std::move(places);
    }
    /// Of a site, this one or one of its hosts'.
    log_place* log_of(const detail::site_data& which) const noexcept { return logs[which.log_number]; }

    /// No look at the disk is under way that ends here, and in no other site of this loop.
    bool may_end() const noexcept {
        for (const auto& each : services) {
            if (each.use_count() == 1 && !each->looks.idle()) return false;
        }
        return true;
    }
    /// No look at the disk is under way.
    bool idle() const noexcept {
        for (const auto& each : services) {
            if (!each->looks.idle()) return false;
        }
        return true;
    }
    void cancel_queued() noexcept {
        for (const auto& each : services)
            each->looks.cancel_queued();
    }

    const std::shared_ptr<const detail::site_data> site;
    const route* only_files;
    bool has_hooks = false;  ///< site::on_head, here or for a host
    bool encodes = false;    ///< site::encode, here or for a host
    bool dresses = false;    ///< there are hooks, or steps before handlers that may add fields
    bool plain = false;      ///< those files are all there is, and nothing stands before them
    std::size_t uses = 0;    ///< turns of connections
    std::vector<std::shared_ptr<file_service>> services;  ///< one for each directory; shared with other sites
    std::vector<file_service*> files;                     ///< the service of each mount
    std::vector<std::uint16_t> counted_as;  ///< its routes, by their numbers, among loop_counts::routes
    std::vector<std::pair<const void*, std::shared_ptr<void>>> locals;
    struct log_leaver {
        loop_log* of;
        void operator()(log_place* each) const noexcept { of->leave(*each); }
    };
    std::vector<std::unique_ptr<log_place, log_leaver>> entered;
    std::vector<log_place*> logs;          ///< the server's, and `entered`; empty: no host has one
    std::vector<log_place*> log_of_route;  ///< by their numbers
};

}  // namespace naru::http
