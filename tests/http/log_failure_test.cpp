// What the access log does when it cannot be written, on every engine.
#include "fixture.hpp"

#include <csignal>
#include <fstream>

#include <sys/resource.h>

namespace naru::testing {
namespace {

class log_failure_test : public http_server_test {};
NARU_ON_EVERY_ENGINE(log_failure_test);

TEST_P(log_failure_test, lost_lines_are_reported) {
    options_.access_log = "/dev/full";
    start();
    EXPECT_TRUE(answers()) << "the server goes on";
    EXPECT_TRUE(eventually([this] { return !reports().empty(); }));
    EXPECT_EQ(reports(), std::vector<std::string>{"the access log has lost 1 line: No space left on device"});
    EXPECT_TRUE(answers());
    EXPECT_TRUE(answers());
    stop();
    std::size_t lost = 0;  // what was lost since then is told at the end
    for (const std::string& each : reports()) {
        lost +=
            static_cast<std::size_t>(std::stoi(each.substr(std::string("the access log has lost ").size())));
    }
    EXPECT_EQ(lost, 3u);
}

TEST_P(log_failure_test, a_line_that_was_cut_stays_by_itself) {
    const temporary_directory logs;
    const std::string log = (logs.path() / "log").string();
    options_.access_log = log;
    const auto before = ::signal(SIGXFSZ, SIG_IGN);
    rlimit unlimited{};
    checked(::getrlimit(RLIMIT_FSIZE, &unlimited), "getrlimit");
    const rlimit small{30, unlimited.rlim_max};
    start();
    checked(::setrlimit(RLIMIT_FSIZE, &small), "setrlimit");  // as a disk that is full
    EXPECT_TRUE(answers());
    EXPECT_TRUE(eventually([this] { return !reports().empty(); }));
    EXPECT_EQ(reports(), std::vector<std::string>{"the access log has lost 1 line: File too large"});
    checked(::setrlimit(RLIMIT_FSIZE, &unlimited), "setrlimit");
    ::signal(SIGXFSZ, before);
    EXPECT_TRUE(answers());
    stop();
    std::ifstream file(log);
    std::string cut, whole, none;
    std::getline(file, cut);
    std::getline(file, whole);
    EXPECT_EQ(cut.size(), 30u) << cut;
    EXPECT_TRUE(whole.starts_with("127.0.0.1 - - [")) << whole;
    EXPECT_TRUE(whole.ends_with(R"(] "GET /hello.txt HTTP/1.1" 200 14 "-" "-")")) << whole;
    EXPECT_FALSE(std::getline(file, none)) << none;
}

}  // namespace
}  // namespace naru::testing
