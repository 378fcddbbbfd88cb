// Drives the compiled capture with random datagrams, for builds with sanitizers: fuzz ROUNDS SEED [threads].
// Without `threads`, packet by packet, with frames of many sizes; with it, over a socket while another thread takes.
#include "../../edge/radar/dca1000/_capture.c"

#include <stdlib.h>

static uint64_t seed;

static uint32_t below(uint32_t limit) {
    seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
    return (uint32_t)(seed >> 32) % limit;
}

static int64_t sequence = 1, start = 0, steady_ns = 1;

// A packet of the stream, often; else one with another place, length or time. The copy has exactly its length, so that
// the sanitizer finds a read beyond it.
static uint8_t *make_packet(int64_t *bytes) {
    if (!below(40)) sequence = 1, start = 0;
    if (!below(40)) sequence = below(1 << 16), start = (int64_t)below(1u << 31) << below(18);
    *bytes = below(12) ? PACKET_BYTES : below(DATAGRAM_BYTES + 1);
    const int64_t skip = below(8) ? 0 : (int64_t)below(24) - 12;
    const int64_t number = sequence + skip, place = start + skip * PAYLOAD_BYTES;
    uint8_t header[HEADER_BYTES] = {0}, *packet = malloc((size_t)*bytes + !*bytes);
    for (int k = 0; k < 4; k++) header[k] = (uint8_t)(number >> 8 * k);
    for (int k = 0; k < 6; k++) header[4 + k] = (uint8_t)(place >> 8 * k);
    for (int64_t k = 0; k < *bytes; k++) packet[k] = k < HEADER_BYTES && below(50) ? header[k] : (uint8_t)below(256);
    if (!skip) sequence++, start += *bytes - HEADER_BYTES;
    static const int64_t steps[] = {0, 50000, 100000000, 200000001, 2000000000, 2500000001, -1000000000};
    steady_ns += below(6) ? 50000 : steps[below(7)];
    return packet;
}

static void check(const capture *c, int count) {
    for (int k = 0; k < count; k++) {
        const released_frame *frame = capture_taken(c) + k;
        volatile uint8_t sum = 0;
        for (int64_t j = 0; j < c->a.s.frame_bytes; j++) sum += capture_data(c)[frame->data_at + j];
        if (frame->seq < 0 || frame->received < 1) abort();
    }
}

static capture *make_capture(int64_t frame_bytes) {
    capture *c = calloc(1, (size_t)capture_bytes(frame_bytes));
    c->a.s.frame_bytes = frame_bytes;
    c->a.s.pause_ns = 200000000;
    c->a.s.tail_ns = 2500000000;
    capture_init(c);
    return c;
}

static void run_packets(int rounds) {
    static const int64_t sizes[] = {64, 256, 1456, 1457, 3200, 12288, 100000};
    for (int round = 0; round < rounds; round++) {
        capture *c = make_capture(sizes[below(7)]);
        const uint32_t senders[] = {1, 2};
        if (!below(3)) c->a.s.senders = senders, c->a.s.sender_count = 2;
        for (int k = 0; k < 400; k++) {
            int64_t bytes;
            uint8_t *packet = make_packet(&bytes);
            capture_push(c, packet, bytes, below(20) ? 1 : below(4), steady_ns, steady_ns);
            free(packet);
            if (!below(60)) capture_flush(c);
            if (below(3)) check(c, capture_take(c, 1 + below(40), 0));
        }
        free(c);
    }
}

typedef struct {
    capture *c;
    int32_t stop;
} taker;

static void *take_all(void *argument) {
    taker *t = argument;
    while (!__atomic_load_n(&t->stop, __ATOMIC_ACQUIRE)) check(t->c, capture_take(t->c, 3, 1000000));
    return NULL;
}

static void run_threads(int rounds) {
    taker t = {make_capture(12288), 0};
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    const int in = socket(AF_INET, SOCK_DGRAM, 0), out = socket(AF_INET, SOCK_DGRAM, 0);
    pthread_t thread;
    if (bind(in, (struct sockaddr *)&address, length) || getsockname(in, (struct sockaddr *)&address, &length)) abort();
    capture_open(in);
    pthread_create(&thread, NULL, take_all, &t);
    for (int round = 0; round < rounds; round++) {
        for (int k = 0; k < 90; k++) {
            int64_t bytes;
            uint8_t *packet = make_packet(&bytes);
            sendto(out, packet, (size_t)bytes, 0, (struct sockaddr *)&address, length);
            free(packet);
        }
        if (capture_receive(t.c, in, 1)) abort();
        if (!below(10)) capture_flush(t.c);
    }
    __atomic_store_n(&t.stop, 1, __ATOMIC_RELEASE);
    pthread_join(thread, NULL);
    free(t.c);
}

int main(int count, char **arguments) {
    if (count < 3) return 2;
    seed = strtoull(arguments[2], NULL, 10) * 2 + 1;
    if (count > 3) run_threads(atoi(arguments[1]));
    else run_packets(atoi(arguments[1]));
    return 0;
}
