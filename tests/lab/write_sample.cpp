// write_sample FILE [under-way]: the sample report as a file, to be looked at in a browser.
#include "sample_page.hpp"

#include <fstream>
#include <string_view>

int main(int count, char** arguments) {
    if (count < 2) return 2;
    const bool under_way = count > 2 && std::string_view(arguments[2]) == "under-way";
    std::ofstream file(arguments[1], std::ios::binary);
    file << naru::lab::to_html(naru::lab::sample_page(under_way));
    return file.flush() ? 0 : 1;
}
