// Images of a set that lies on the GPU as bytes, `[images, height, width, 3]` in RGB: gathered,
// mirrored where asked, and mapped from grey levels to what the network takes. One thread for
// each pixel. Without indices the images are the first of the set, one after the other.
KERNEL(gather_images)
(const unsigned char* set, const unsigned* indices, const unsigned char* flips,
 const float* levels, void* y, unsigned pixels, unsigned height, unsigned width, int bgr,
 int low) {
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= pixels) return;
    unsigned column = i % width, row = i / width % height, image = i / (height * width);
    if (flips[image]) column = width - 1 - column;
    unsigned long long from = indices ? indices[image] : image;
    unsigned long long at = (from * height + row) * width + column;
    for (unsigned channel = 0; channel < 3; channel++) {
        unsigned level = set[at * 3 + (bgr ? 2 - channel : channel)];
        put(y, i * 3 + channel, levels[level], low);
    }
}
