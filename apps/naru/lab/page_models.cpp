#include <lab/assets.hpp>
#include <lab/model_look.hpp>
#include <lab/model_text.hpp>
#include <lab/page_parts.hpp>
#include <lab/page_text.hpp>

#include <fmt/format.h>

namespace naru::lab {

namespace {

const model_cost* cost_of(std::span<const model_cost> models, std::string_view name) {
    for (const auto& each : models) {
        if (each.model == name) return &each;
    }
    return nullptr;
}

bool is_explained(std::string_view name) {
    for (const auto& each : all_model_texts()) {
        if (each.model == name) return true;
    }
    return false;
}

std::string cost_html(const model_cost* cost) {
    if (cost == nullptr || cost->lines.empty()) {
        return R"(<div class="cost"><h4>Measured here</h4><p class="soft">Not measured in this run.</p></div>)";
    }
    return R"(<div class="cost"><h4>Measured here</h4>)" + list_html(cost->lines, "lines") + "</div>";
}

std::string heading(std::string_view model, std::string_view words) {
    return fmt::format(R"(<h3 class="{}">{}{}</h3>)", look_of(model).css, swatch(model), escaped(words));
}

// The drawing's file begins with <svg; its role and its words are added here, so that words are in one file.
std::string drawing(const model_text& shown) {
    const std::string_view file = find_asset(shown.drawing).text;
    const std::string_view start = "<svg";
    const std::string id = "drawn-" + id_text(shown.model);
    return fmt::format(
        R"({} role="img" aria-labelledby="{}-t" aria-describedby="{}-d"><title id="{}-t">{}</title><desc id="{}-d">{}</desc>{})",
        file.substr(0, file.find('>')), id, id, id, escaped(shown.heading), id, escaped(shown.drawn),
        file.starts_with(start) ? file.substr(file.find('>') + 1) : "");
}

std::string explanation(const model_text& shown, const model_cost* cost) {
    std::string made = fmt::format(R"(<article class="model" id="model-{}">)", id_text(shown.model));
    made += heading(shown.model, shown.heading);
    made += fmt::format(R"(<div class="art {}">{}</div>)", look_of(shown.model).css, drawing(shown));
    made +=
        fmt::format(R"(<div class="words"><p class="calls"><code>{}</code> {}</p><p>{}</p><dl class="pays">)",
                    escaped(shown.model), escaped(shown.calls), escaped(shown.kernel));
    const auto row = [&](std::string_view name, std::string_view words) {
        made += fmt::format("<div><dt>{}</dt><dd>{}</dd></div>", name, escaped(words));
    };
    row("per wait", shown.per_wait);
    row("per event", shown.per_event);
    row("per request", shown.per_request);
    row("ends at", shown.limit);
    return made + "</dl></div>" + cost_html(cost) + "</article>\n";
}

}  // namespace

std::string models_html(std::span<const model_cost> models) {
    std::string made =
        R"(<section class="leg" id="models" aria-labelledby="models-h"><div class="opening"><h2 id="models-h">The models</h2><div>)"
        R"(<p class="question">What does the kernel do for each of them, and what does the program pay?</p></div></div>)";
    made += '\n';
    for (const auto& each : all_model_texts())
        made += explanation(each, cost_of(models, each.model));
    for (const auto& each : models) {
        if (is_explained(each.model)) continue;
        made += fmt::format(R"(<article class="model other">{}{}</article>)", heading(each.model, each.model),
                            cost_html(&each));
        made += '\n';
    }
    return made + "</section>\n";
}

}  // namespace naru::lab
