#include "alone.hpp"
#include "descriptors.hpp"
#include "listeners.hpp"
#include "master.hpp"
#include "notify.hpp"
#include "surroundings.hpp"
#include "worker.hpp"

#include "../plan_faults.hpp"
#include "../serve_config.hpp"

#include <exception>
#include <new>
#include <optional>
#include <stdexcept>
#include <utility>

#include <unistd.h>

namespace naru::program {

namespace {

class alone_with_a_manager : public alone {
 public:
    std::vector<http::endpoint> adopt(std::vector<http::endpoint> wanted) override {
        return own_listeners().empty() ? wanted : own_listeners().give(std::move(wanted));
    }
    void is_ready() override { notify_manager("READY=1"); }
    void delay(std::chrono::milliseconds span) override {
        notify_manager("STOPPING=1");
        alone::delay(span);
    }
};

serve_settings with_sockets(serve_settings read) { return own_listeners().put_into(std::move(read)); }

std::vector<http::endpoint> endpoints_of(const serve_plan& plan) {
    std::vector<http::endpoint> all = plan.endpoints;
    all.insert(all.end(), plan.tls_endpoints.begin(), plan.tls_endpoints.end());
    if (plan.status) all.push_back(*plan.status);
    return all;
}

void require_descriptors(const serve_plan& plan) {
    require_descriptors(plan, own_listeners().sockets_for(endpoints_of(plan), plan.options.threads));
}

int serve_as_worker(std::pair<unique_descriptor, unique_descriptor> channels, const serve_plan& plan,
                    const serve_body& serve) {
    worker_process here(std::move(channels.first), std::move(channels.second));
    here.confine(plan);
    return serve(plan, here);
}

master::settings settings_of(const serve_plan& plan) {
    return {plan.options.access_log, plan.pid_file, plan.user};
}

class kept_plans final : public plans {
 public:
    kept_plans(const plan_reader& read, std::optional<master>& watching) : read_(read), watching_(watching) {}

    const std::optional<serve_plan>& now() const noexcept { return plan_; }

    /// For a start: what is wrong with files is told before anybody can connect; but not to who serves as
    /// another user, who may be the only one to search a directory. Certificates are read by who serves, and
    /// looked at here only before a port is blamed.
    void read_first() {
        serve_plan fresh = read_(with_sockets);
        require_descriptors(fresh);
        complain_of(fresh, fresh.user ? find_faults_of_user : find_faults_of_files);
        try {
            bind(fresh);
        } catch (const std::runtime_error&) {
            complain_of(fresh, find_faults_of_certificates);
            throw;
        }
        take(std::move(fresh));
    }

    void read() { take(read_bound()); }
    void renew() override {
        serve_plan fresh = read_bound();
        if (!std::exchange(is_renewed_, true)) before_ = std::move(plan_);
        plan_ = std::move(fresh);
        watching_->use(settings_of(*plan_));
    }

    void settle(bool serves) noexcept override try {
        if (!std::exchange(is_renewed_, false)) return;
        if (!serves) plan_ = std::move(before_);
        before_.reset();
        if (!plan_) return;
        watching_->use(settings_of(*plan_));
        own_listeners().close_others(endpoints_of(*plan_));
    } catch (const std::bad_alloc&) {
        return;  // more listeners stay than are needed
    }

 private:
    static void complain_of(const serve_plan& plan, void (*find)(const serve_plan&, complaints&)) {
        complaints wrong;
        find(plan, wrong);
        if (!wrong.empty()) throw std::runtime_error(wrong.lines().front());
    }
    static bool has_own_listeners(const serve_plan& plan) {
        return !plan.one_process || !own_listeners().empty();
    }
    static void bind(const serve_plan& plan) {
        if (has_own_listeners(plan)) own_listeners().bind(endpoints_of(plan), plan.options);
    }
    serve_plan read_bound() {
        serve_plan fresh = read_(with_sockets);
        require_descriptors(fresh);
        bind(fresh);
        return fresh;
    }
    void take(serve_plan fresh) {
        if (has_own_listeners(fresh)) own_listeners().close_others(endpoints_of(fresh));
        plan_ = std::move(fresh);
    }

    const plan_reader& read_;
    std::optional<master>& watching_;
    std::optional<serve_plan> plan_;
    std::optional<serve_plan> before_;  // of the worker that serves, while another is tried
    bool is_renewed_ = false;
};

}  // namespace

int serve_alone(const serve_plan& plan, const serve_body& serve) {
    alone_with_a_manager here;
    return serve(plan, here);
}

int serve_in_processes(const plan_reader& read, const serve_body& serve) {
    const inheritance from = inheritance::take();
    if (from.as == inheritance::role::worker && from.workers.size() == 1)
        return serve_as_worker(
            {unique_descriptor(from.workers.front().orders), unique_descriptor(from.workers.front().logs)},
            read(with_sockets), serve);
    std::optional<master> watching;
    kept_plans plans(read, watching);
    if (from.as == inheritance::role::master) {
        // There is a worker that serves, whatever is wrong with the settings by now.
        try {
            plans.read();
        } catch (const std::exception& wrong) {
            say_or_lose(wrong.what());
        }
        watching.emplace(plans.now() ? settings_of(*plans.now()) : master::settings());
        watching->resume(from);
    } else {
        own_listeners().take_from_manager();
        plans.read_first();
        if (plans.now()->one_process) return serve_alone(*plans.now(), serve);
        watching.emplace(settings_of(*plans.now()));
        watching->write_pid_file();
    }
    if (const auto status = watching->run(plans)) return *status;
    auto channels = watching->take_channels();
    watching.reset();
    return serve_as_worker(std::move(channels), plans.now() ? *plans.now() : read(with_sockets), serve);
}

}  // namespace naru::program
