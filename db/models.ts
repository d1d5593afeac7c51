import { Model } from 'objection';
import type { BookingStatus, PaymentStatus, RefundReason } from '../domain/booking.ts';

/**
 * The rows as Objection models. Plain reads, the joins of lists and `npm run shell` use these; ranges, locks and races
 * are SQL in the named queries beside this file. No model is bound to a database: each query takes its `db`.
 */

export class User extends Model {
  static override tableName = 'users';
  declare id: number;
  declare email: string;
  declare password_hash: string;
  declare is_staff: boolean;
  declare is_superuser: boolean;
  declare is_active: boolean;
  declare created_at: Date;

  static override get relationMappings() {
    return {
      bookings: {
        relation: Model.HasManyRelation,
        modelClass: Booking,
        join: { from: 'users.id', to: 'bookings.user_id' },
      },
    };
  }
}

export class Room extends Model {
  static override tableName = 'rooms';
  declare id: number;
  declare name: string;
  declare description: string;
  declare price_minor: number;
  declare currency: string;
  declare capacity: number;
  declare amenities: string[];
  declare is_available: boolean;
  declare slot_duration_minutes: number;
  declare opening_time: string;
  declare closing_time: string;
  declare time_zone: string;
  declare version: number;
  declare created_at: Date;
  declare updated_at: Date;

  // `amenities` is text[], not JSON: Objection must pass the array to pg unchanged.
  static override jsonAttributes = [];
}

export class Booking extends Model {
  static override tableName = 'bookings';
  declare id: number;
  declare ref: string;
  declare user_id: number;
  declare room_id: number;
  declare booking_date: string;
  declare start_time: string;
  declare end_time: string;
  declare time_zone: string;
  declare number_of_slots: number;
  declare guest_count: number;
  declare special_requests: string | null;
  declare amount_minor: number;
  declare currency: string;
  declare status: BookingStatus;
  declare payment_status: PaymentStatus;
  declare hold_expires_at: Date;
  declare workflow_id: string;
  declare confirmed_payment_id: number | null;
  declare created_at: Date;
  declare updated_at: Date;

  static override get relationMappings() {
    return {
      user: {
        relation: Model.BelongsToOneRelation,
        modelClass: User,
        join: { from: 'bookings.user_id', to: 'users.id' },
      },
      room: {
        relation: Model.BelongsToOneRelation,
        modelClass: Room,
        join: { from: 'bookings.room_id', to: 'rooms.id' },
      },
      payments: {
        relation: Model.HasManyRelation,
        modelClass: Payment,
        join: { from: 'bookings.id', to: 'payments.booking_id' },
      },
      events: {
        relation: Model.HasManyRelation,
        modelClass: BookingEvent,
        join: { from: 'bookings.id', to: 'booking_events.booking_id' },
      },
    };
  }
}

/** A booking as lists show it, with room and guest by name. */
export class BookingListItem extends Model {
  static override tableName = 'booking_rows';
}

export const intentStatuses = [
  'creating',
  'requires_payment_method',
  'requires_confirmation',
  'requires_action',
  'requires_capture',
  'processing',
  'succeeded',
  'canceled',
] as const;
/** Stripe's status of a PaymentIntent, and `creating` while we do not know whether it exists. */
export type IntentStatus = (typeof intentStatuses)[number];

export class Payment extends Model {
  static override tableName = 'payments';
  declare id: number;
  declare ref: string;
  declare booking_id: number;
  declare attempt: number;
  declare stripe_payment_intent_id: string | null;
  declare amount_minor: number;
  declare currency: string;
  declare status: IntentStatus;
  declare amount_received_minor: number;
  declare charged_at: Date | null;
  declare decision: 'kept' | 'returned' | null;
  declare refunding_minor: number;
  declare disputed_minor: number;
  declare declines: number;
  declare created_at: Date;
  declare updated_at: Date;

  static override get relationMappings() {
    return {
      refunds: {
        relation: Model.HasManyRelation,
        modelClass: Refund,
        join: { from: 'payments.id', to: 'refunds.payment_id' },
      },
      booking: {
        relation: Model.BelongsToOneRelation,
        modelClass: Booking,
        join: { from: 'payments.booking_id', to: 'bookings.id' },
      },
    };
  }
}

/**
 * pending: to be sent · parked: waits for a dispute to close · refused: Stripe refuses for good, staff must act ·
 * submitted, succeeded, failed: Stripe's own words · dropped: the money has gone back another way.
 */
export const refundStatuses = [
  'pending',
  'parked',
  'refused',
  'submitted',
  'succeeded',
  'failed',
  'dropped',
] as const;
export type RefundStatus = (typeof refundStatuses)[number];

export class Refund extends Model {
  static override tableName = 'refunds';
  declare id: number;
  declare ref: string;
  declare payment_id: number;
  declare booking_id: number;
  declare reason: RefundReason;
  declare amount_minor: number;
  declare currency: string;
  declare status: RefundStatus;
  declare attempt: number;
  declare stripe_refund_id: string | null;
  declare refusal_code: string | null;
  declare last_error: string | null;
  declare created_at: Date;
  declare updated_at: Date;
}

export class BookingEvent extends Model {
  static override tableName = 'booking_events';
  declare id: number;
  declare booking_id: number;
  declare at: Date;
  declare actor: string;
  declare from_status: BookingStatus | null;
  declare to_status: BookingStatus;
  declare cause: string;
}
