#include "alone.hpp"
#include "listeners.hpp"
#include "master.hpp"
#include "notify.hpp"
#include "surroundings.hpp"
#include "worker.hpp"

#include "../serve_config.hpp"

#include <exception>
#include <stdexcept>

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

int serve_as_worker(std::pair<unique_descriptor, unique_descriptor> channels, const serve_plan& plan,
                    const serve_body& serve) {
    worker_process here(std::move(channels.first), std::move(channels.second));
    here.confine(plan);
    return serve(plan, here);
}

master::settings settings_of(const serve_plan& plan) {
    return {plan.options.access_log, plan.pid_file, plan.user};
}

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
    std::optional<serve_plan> plan;  // of the next worker: a crash is no reason to read the settings again
    std::optional<master> watching;
    const auto read_plan = [&] {
        serve_plan fresh = read(with_sockets);
        if (!fresh.one_process || !own_listeners().empty())
            own_listeners().bind(endpoints_of(fresh), fresh.options);
        if (watching) watching->use(settings_of(fresh));
        plan = std::move(fresh);
    };
    if (from.as == inheritance::role::master) {
        // There is a worker that serves, whatever is wrong with the settings by now.
        try {
            read_plan();
        } catch (const std::exception& wrong) {
            say_or_lose(wrong.what());
        }
        watching.emplace(plan ? settings_of(*plan) : master::settings());
        watching->resume(from);
    } else {
        own_listeners().take_from_manager();
        read_plan();
        if (plan->one_process) return serve_alone(*plan, serve);
        watching.emplace(settings_of(*plan));
        watching->write_pid_file();
    }
    if (const auto status = watching->run(read_plan)) return *status;
    auto channels = watching->take_channels();
    watching.reset();
    return serve_as_worker(std::move(channels), plan ? *plan : read(with_sockets), serve);
}

}  // namespace naru::program
