// Where labels go so that they cover neither each other nor what is drawn.
#pragma once

#include <span>
#include <vector>

namespace naru::lab {

struct box {
    double x = 0;
    double y = 0;
    double width = 0;
    double height = 0;
};

/// Labels beside each other's lines, one column of them.
struct stacked_label {
    double wanted = 0;  ///< the middle, where its line ends
    double height = 0;
    double middle = 0;  ///< where it is put
};

/// Moves labels apart, no further than needed, between `top` and `bottom`. If they do not all fit, they begin
/// at `top` and go on beyond `bottom`. The labels' order in memory stays as it is; their places are by
/// `wanted`.
void spread_out(std::span<stacked_label> labels, double top, double bottom);

/// Remembers what is drawn, and finds the emptiest place for a label.
class label_field {
 public:
    explicit label_field(box inside) : inside_(inside) {}

    /// A line from one place to another.
    void avoid_line(double x0, double y0, double x1, double y1);
    void avoid_box(box taken) { boxes_.push_back(taken); }

    /// A place for a label of this size near a point; the label is avoided from then on.
    box place(double x, double y, double width, double height);

 private:
    double cost(const box& candidate) const;

    box inside_;
    struct spot {
        double x;
        double y;
    };
    std::vector<spot> spots_;
    std::vector<box> boxes_;
};

}  // namespace naru::lab
