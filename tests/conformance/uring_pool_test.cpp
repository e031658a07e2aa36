// A small pool and many connections whose owners do not read: what io_uring receives ahead for them must
// leave buffers for the others.
#include "support/conformance.hpp"

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace naru::testing {
namespace {

std::vector<backend_variant> small_pools() {
    std::vector<backend_variant> all;
    const auto add = [&all](const char* name, void (*change)(uring_options&)) {
        all.push_back({name, [change] {
                           return make_uring([change](uring_options& options) {
                               options.pool_buffers = 64;
                               change(options);
                           });
                       }});
    };
    add("io_uring", [](uring_options&) {});
    add("io_uring_single_recv", [](uring_options& options) { options.multishot_recv = false; });
    add("io_uring_many_issuers", [](uring_options& options) { options.single_issuer = false; });
    add("io_uring_tiny_ring", [](uring_options& options) { options.entries = 4, options.completions = 8; });
    add("io_uring_bundles", [](uring_options& options) { options.bundles_from_the_start = true; });
    add("io_uring_no_bundles", [](uring_options& options) { options.bundles = false; });
    add("io_uring_direct",
        [](uring_options& options) { options.direct_descriptors = uring_options::direct::always; });
    add("io_uring_sqpoll", [](uring_options& options) {
        options.sqpoll = true;
        options.sqpoll_idle_milliseconds = 1;
    });
    return all;
}

struct talk {
    unique_descriptor peer;
    handle ours;
    std::unique_ptr<a_recv> recv;
    std::string sent;
    std::string got;
};

class UringPool : public conformance {
 protected:
    talk begin() {
        auto sockets = local_pair();
        talk made;
        made.peer = std::move(sockets.peer);
        made.ours = adopt(sockets.ours);
        made.recv = std::make_unique<a_recv>(made.ours);
        return made;
    }
    static void say(talk& to, std::string_view text) {
        write_all(to.peer.get(), text);
        to.sent += text;
    }
    void read_once(talk& from) {
        const int before = from.recv->completions;
        loop().submit(*from.recv);
        ASSERT_TRUE(run_until([&] { return from.recv->completions > before; }));
        ASSERT_FALSE(from.recv->failed()) << from.recv->error().message();
        from.got += from.recv->take(loop());
    }
    void read_all(talk& from) {
        while (from.got.size() < from.sent.size() && !HasFatalFailure())
            read_once(from);
        EXPECT_TRUE(from.got == from.sent);
    }

    /// Connections whose owners have read what was first said to them, and then stop: receives are armed.
    std::vector<talk> owners_who_stop(std::string_view first) {
        std::vector<talk> all;
        for (int each = 0; each < 200; ++each) {
            all.push_back(begin());
            say(all.back(), first);
        }
        for (talk& each : all) {
            read_once(each);
            if (HasFatalFailure()) break;
        }
        return all;
    }

    /// Those who read are served as ever, and there is memory to write from.
    void expect_others_are_served(talk& early) {
        talk late = begin();
        for (int turn = 0; turn < 10 && !HasFatalFailure(); ++turn) {
            for (talk* each : {&early, &late}) {
                say(*each, std::to_string(turn) + " is for one who reads");
                read_all(*each);
            }
        }
        const std::byte* to_write_from = loop().buffers().acquire();
        EXPECT_NE(to_write_from, nullptr);
        if (to_write_from != nullptr) loop().buffers().release(to_write_from);
        loop().close(late.ours);
    }

    /// Owners stop, their peers go on (`go_on`), others are served; what came meanwhile is all there, in
    /// order, once the owners ask.
    template <class GoOn>
    void others_are_served_while_owners_stop(std::string_view first, GoOn go_on) {
        talk early = begin();
        say(early, "first");
        read_all(early);
        std::vector<talk> quiet = owners_who_stop(first);
        go_on(quiet);
        expect_others_are_served(early);
        for (talk& each : quiet) {
            read_all(each);
            if (HasFatalFailure()) return;
            loop().close(each.ours);
        }
        loop().close(early.ours);
    }
};

INSTANTIATE_TEST_SUITE_P(WithASmallPool, UringPool, ::testing::ValuesIn(small_pools()),
                         [](const auto& each) { return each.param.name; });

TEST_P(UringPool, OwnersWhoDoNotReadWhatComesAllAtOnceDoNotStarveOthers) {
    others_are_served_while_owners_stop("hello", [this](std::vector<talk>& quiet) {
        for (int turn = 0; turn < 6; ++turn) {
            for (talk& each : quiet)
                say(each, "and message " + std::to_string(turn));
            ticks(2);
        }
    });
}

TEST_P(UringPool, OwnersWhoDoNotReadWhatComesBitByBitDoNotStarveOthers) {
    others_are_served_while_owners_stop("hello", [this](std::vector<talk>& quiet) {
        for (talk& each : quiet) {
            say(each, "and this");
            ticks(2);
        }
    });
}

TEST_P(UringPool, OwnersWhoReadTheBeginningOfLargeMessagesDoNotStarveOthers) {
    others_are_served_while_owners_stop(pattern(100'000), [](std::vector<talk>&) {});
}

}  // namespace
}  // namespace naru::testing
