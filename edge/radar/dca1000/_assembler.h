// The assembly of packets into frames: FrameAssembler of assembler.py, statement by statement, with the same results.
// A length or position that comes from the network is checked before it is used.
#include <stdint.h>
#include <string.h>

#include "_queue.h"

enum { HEADER_BYTES = 10, PAYLOAD_BYTES = 1456, PACKET_BYTES = HEADER_BYTES + PAYLOAD_BYTES };
enum { NEAR_BYTES = 8 * PAYLOAD_BYTES, RESYNC_PACKETS = 3 };
#define OFFSET_MODULUS ((int64_t)PAYLOAD_BYTES << 32)

// What Python sets and reads; native.py has the same structure.
typedef struct {
    int64_t frame_bytes, pause_ns, tail_ns;
    int64_t restarts, restart_byte, ignored, ignored_bytes, foreign_packets, second_sender_ns, silence_ns, offset_ns;
    int64_t last_frame_ns;     // when the newest frame was released
    int64_t incomplete;        // number of incomplete frames
    int64_t released_count;    // number of frames released so far
    uint32_t foreign_sender, second_sender;
    const uint32_t *senders;   // NULL: packets from any sender are accepted
    int64_t sender_count;
} state;

typedef struct {
    const uint8_t *data;
    int64_t bytes, t_ns, steady_ns;
    uint32_t sender;
} datagram;

// A packet with its place. stream_offset: between sequence and byte count, which all packets of a stream share.
typedef struct {
    datagram packet;
    int64_t start, stream_offset;
} placed;

// An incomplete frame; index -1: none. seen: a bit for each offset at which a piece begins.
typedef struct {
    int64_t index, t_ns, steady_ns, received;
    uint8_t *data, *seen;
} slot;

typedef struct {
    state s;
    int64_t next;  // the first frame not yet released
    int64_t end;   // one past the newest byte placed
    int64_t last_ns, sampled_ns, sampled_steady_ns, stream_offset;
    uint32_t sender;
    int32_t has_stream, stray_count, slot_count;
    placed strays[RESYNC_PACKETS];
    uint8_t stray_data[RESYNC_PACKETS][PACKET_BYTES];
    slot *slots;  // frame i is in slot i % slot_count
    queue released;
} assembler;

static void push(assembler *a, const datagram *packet);

static uint32_t little_endian(const uint8_t *bytes, int count) {
    uint32_t value = 0;
    for (int k = 0; k < count; k++) value |= (uint32_t)bytes[k] << 8 * k;
    return value;
}

static int64_t distance(int64_t a, int64_t b) { return a > b ? a - b : b - a; }

static int64_t seen_bytes(int64_t frame_bytes) { return frame_bytes / 8 + 1; }

// Incomplete frames lie within NEAR_BYTES of the newest byte, on either side: so many frames at most.
static int64_t slots_for(int64_t frame_bytes) { return (2 * NEAR_BYTES + PAYLOAD_BYTES) / frame_bytes + 2; }

static void release(assembler *a, slot *from) {
    const released_frame frame = {from->index, from->t_ns, from->steady_ns, from->received, 0};
    enqueue(&a->released, frame, from->data);
    a->s.released_count++;
    a->next = from->index + 1;
    from->index = -1;
    a->s.incomplete--;
}

// The oldest incomplete frame, or NULL.
static slot *find_oldest(assembler *a) {
    slot *oldest = NULL;
    for (int k = 0; a->s.incomplete && k < a->slot_count; k++) {
        slot *each = a->slots + k;
        if (each->index >= 0 && (!oldest || each->index < oldest->index)) oldest = each;
    }
    return oldest;
}

static void flush(assembler *a) {
    for (slot *oldest; (oldest = find_oldest(a));) release(a, oldest);
}

static void release_ready(assembler *a) {
    const int64_t closed = a->end > NEAR_BYTES ? (a->end - NEAR_BYTES) / a->s.frame_bytes : 0;
    for (slot *oldest; (oldest = find_oldest(a));) {
        const int complete = oldest->received == a->s.frame_bytes;
        if (!(oldest->index < closed || (complete && oldest->index <= (closed > a->next ? closed : a->next)))) return;
        release(a, oldest);
    }
}

static void ignore(assembler *a, const datagram *packet) {
    if (!a->s.ignored++) a->s.ignored_bytes = packet->bytes;
}

static void join(assembler *a, const placed *first) {
    if (a->has_stream && first->start < a->end) {
        a->s.restarts++;
        a->s.restart_byte = first->start;
    }
    const int64_t frame = a->s.frame_bytes;
    a->next = first->start <= NEAR_BYTES ? 0 : (first->start + frame - 1) / frame;
    a->end = first->start;
    a->has_stream = 1;
    a->sender = first->packet.sender;
    a->stream_offset = first->stream_offset;
    a->last_ns = first->packet.steady_ns;
}

static void place_piece(assembler *a, int64_t index, int64_t offset, const uint8_t *piece, int64_t bytes) {
    slot *to = a->slots + index % a->slot_count;
    if (to->index != index) {
        if (to->index >= 0) return;  // never, as incomplete frames are near each other
        to->index = index;
        to->received = 0;
        memset(to->data, 0, (size_t)a->s.frame_bytes);
        memset(to->seen, 0, (size_t)seen_bytes(a->s.frame_bytes));
        a->s.incomplete++;
    }
    const uint8_t bit = (uint8_t)(1u << offset % 8);
    if (to->seen[offset / 8] & bit) return;
    to->seen[offset / 8] |= bit;
    memcpy(to->data + offset, piece, (size_t)bytes);
    to->received += bytes;
    to->t_ns = a->sampled_ns;
    to->steady_ns = a->sampled_steady_ns;
}

static void place(assembler *a, int64_t start, const uint8_t *payload, int64_t bytes) {
    while (bytes > 0) {
        const int64_t index = start / a->s.frame_bytes, offset = start % a->s.frame_bytes;
        const int64_t room = a->s.frame_bytes - offset, piece = bytes < room ? bytes : room;
        if (index >= a->next) place_piece(a, index, offset, payload, piece);
        start += piece;
        payload += piece;
        bytes -= piece;
    }
}

static int is_near_stray(const assembler *a, const placed *stray, const placed *other) {
    return stray->packet.steady_ns - other->packet.steady_ns <= a->s.pause_ns &&
           stray->packet.sender == other->packet.sender && stray->stream_offset == other->stream_offset &&
           distance(stray->start, other->start) <= NEAR_BYTES;
}

// Adds a stray, with a copy of its bytes, unless one with this place is known.
static void keep_stray(assembler *a, const placed *stray) {
    for (int k = 0; k < a->stray_count; k++)
        if (a->strays[k].start == stray->start) return;
    if (a->stray_count == RESYNC_PACKETS) return;  // never: so many are handled at once
    placed *kept = a->strays + a->stray_count;
    uint8_t *copy = a->stray_data[a->stray_count++];
    memcpy(copy, stray->packet.data, (size_t)stray->packet.bytes);
    *kept = *stray;
    kept->packet.data = copy;
}

static void handle_stray(assembler *a, const placed *stray) {
    if (a->stray_count && !is_near_stray(a, stray, a->strays + a->stray_count - 1)) a->stray_count = 0;
    keep_stray(a, stray);
    if (a->stray_count < RESYNC_PACKETS) return;
    a->stray_count = 0;
    // Copies in order, as a packet may become a stray again when it is pushed; then fewer than RESYNC_PACKETS do.
    placed strays[RESYNC_PACKETS];
    uint8_t data[RESYNC_PACKETS][PACKET_BYTES];
    for (int k = 0; k < RESYNC_PACKETS; k++) {
        int rank = 0;
        for (int j = 0; j < RESYNC_PACKETS; j++) rank += a->strays[j].start < a->strays[k].start;
        memcpy(data[rank], a->stray_data[k], (size_t)a->strays[k].packet.bytes);
        strays[rank] = a->strays[k];
        strays[rank].packet.data = data[rank];
    }
    const placed *first = strays;
    const int64_t end = a->end;
    const int is_soon = stray->packet.steady_ns - a->last_ns <= a->s.pause_ns;
    const int is_same = a->has_stream && first->packet.sender == a->sender && first->stream_offset == a->stream_offset;
    const int is_late = is_soon && is_same && 2 * NEAR_BYTES < first->start && first->start < end;
    if (!is_late) {
        flush(a);
        join(a, first);
    }
    for (int k = 0; k < RESYNC_PACKETS; k++)
        if (!is_late || distance(strays[k].start, end) <= NEAR_BYTES) push(a, &strays[k].packet);
}

static void push(assembler *a, const datagram *packet) {
    if (packet->bytes <= HEADER_BYTES || packet->bytes > PACKET_BYTES) return ignore(a, packet);
    const int64_t sequence = little_endian(packet->data, 4);
    const int64_t start = (int64_t)little_endian(packet->data + 8, 2) << 32 | little_endian(packet->data + 4, 4);
    const int64_t bytes = packet->bytes - HEADER_BYTES, end = start + bytes, missing = PAYLOAD_BYTES - bytes;
    const int64_t offset = (sequence * PAYLOAD_BYTES - start) % OFFSET_MODULUS;
    const placed this = {*packet, start, offset < 0 ? offset + OFFSET_MODULUS : offset};
    const int is_stream = a->has_stream && packet->sender == a->sender && this.stream_offset == a->stream_offset;
    const int is_near = is_stream && distance(start, a->end) <= NEAR_BYTES;
    const int64_t silence_ns = packet->steady_ns - a->last_ns;
    const int is_paused = silence_ns > a->s.pause_ns;
    const int is_tail = missing && is_near && is_paused && silence_ns <= a->s.tail_ns;
    const int is_after_pause = is_paused && !is_tail;
    if (is_after_pause) flush(a);
    if (!is_after_pause && a->has_stream && packet->sender != a->sender) return ignore(a, packet);
    if (sequence == 1 && start == 0 && (is_after_pause || !(a->has_stream || a->stray_count))) {
        join(a, &this);
    } else if (a->stray_count || !is_near) {
        if (!is_near || is_near_stray(a, &this, a->strays + a->stray_count - 1)) return handle_stray(a, &this);
    }
    a->stray_count = 0;
    if (!is_tail) {
        a->sampled_ns = packet->t_ns;
        a->sampled_steady_ns = packet->steady_ns;
    }
    a->last_ns = packet->steady_ns;
    if (missing && end > a->end) a->stream_offset = (this.stream_offset + missing) % OFFSET_MODULUS;
    if (end > a->end) a->end = end;
    place(a, start, packet->data + HEADER_BYTES, bytes);
    release_ready(a);
}
